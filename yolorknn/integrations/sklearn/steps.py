"""The steps before the last of a pipeline, and what wraps one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from yolorknn.convert.dense import Dense
from yolorknn.errors import ConversionError
from yolorknn.integrations.sklearn.networks import dense, pca, shifted, svd
from yolorknn.integrations.sklearn.surroundings import Affine


class Target(NamedTuple):
    """What surrounds a regressor's targets."""

    scaling: Affine
    flat: bool
    """Whether they were given as (N,), not (N, 1)."""


def unwrapped(estimator: Any) -> tuple[list[Any], Any, Target | None]:
    """Return the steps before the last one, that one, and what its targets were scaled by."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline

    if hasattr(estimator, "best_estimator_"):
        return unwrapped(estimator.best_estimator_)
    if isinstance(estimator, TransformedTargetRegressor):
        steps, final, inner = unwrapped(estimator.regressor_)
        scaling = _scaler(estimator.transformer_)
        if inner is not None or scaling is None:
            raise ConversionError(
                f"the targets are transformed by a {type(estimator.transformer_).__name__}: StandardScaler, "
                "MinMaxScaler, MaxAbsScaler and RobustScaler go"
            )
        return steps, final, Target(scaling, getattr(estimator, "_training_dim", 1) == 1)
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        if not steps:
            raise ConversionError("the Pipeline has no steps")
        before, final, target = unwrapped(steps[-1])
        return [*steps[:-1], *before], final, target
    return [], estimator, None


def leading_steps(steps: Sequence[Any]) -> tuple[tuple[Affine, ...], tuple[Dense, ...] | None]:
    """Return the scalers at the beginning, and the layers that the steps after them are, None where there are none."""
    from sklearn.decomposition import PCA, TruncatedSVD

    scaling: list[Affine] = []
    layers: list[Dense] | None = None
    for step in steps:
        scaler = _scaler(step)
        if scaler is not None and layers is None:
            scaling.append(scaler)
        elif scaler is not None and layers and np.isinf([scaler.low, scaler.high]).all():
            last = layers[-1]
            factor = scaler.factor[:, None]
            layers[-1] = dense(last.weights * factor, last.bias * scaler.factor + scaler.offset)
        elif isinstance(step, (PCA, TruncatedSVD)):
            made = pca(step) if isinstance(step, PCA) else svd(step)
            if layers is None:
                if made.shift is not None:
                    scaling.append(Affine(np.ones(len(made.shift)), -made.shift))
                layers = list(made.layers)
            else:
                layers += shifted(made.layers, made.shift) if made.shift is not None else made.layers
        else:
            raise ConversionError(
                f"the step before the last is a {type(step).__name__}: scalers, PCA and TruncatedSVD go"
            )
    return tuple(scaling), None if layers is None else tuple(layers)


def _scaler(step: Any) -> Affine | None:
    """Return what a scaler does; None where it is none."""
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    columns = getattr(step, "n_features_in_", 0)
    one, zero = np.ones(columns), np.zeros(columns)
    match step:
        case StandardScaler():
            scale = one if step.scale_ is None else step.scale_
            mean = step.mean_ if step.with_mean else zero  # which it has without, too
            return Affine(1 / scale, -mean / scale)
        case MinMaxScaler():
            low, high = map(float, step.feature_range) if step.clip else (-np.inf, np.inf)
            return Affine(step.scale_, step.min_, low, high)
        case MaxAbsScaler():
            low, high = (-1.0, 1.0) if getattr(step, "clip", False) else (-np.inf, np.inf)
            return Affine(1 / step.scale_, zero, low, high)
        case RobustScaler():
            scale = one if step.scale_ is None else step.scale_
            centre = zero if step.center_ is None else step.center_
            return Affine(1 / scale, -centre / scale)
        case _:
            return None
