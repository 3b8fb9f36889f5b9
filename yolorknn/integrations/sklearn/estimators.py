"""A fitted estimator of scikit-learn as layers for the NPU and what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from yolorknn.convert.dense import Dense
from yolorknn.errors import ConversionError, MissingDependencyError
from yolorknn.integrations.sklearn.networks import shifted, takers
from yolorknn.integrations.sklearn.steps import leading_steps, unwrapped
from yolorknn.integrations.sklearn.surroundings import Affine, Surroundings

TAKEN = (
    "MLPClassifier, MLPRegressor, LogisticRegression, LinearSVC, RidgeClassifier, LinearRegression, Ridge, Lasso, "
    "ElasticNet, LinearDiscriminantAnalysis, PCA, TruncatedSVD, KMeans, and Pipelines that begin with scalers"
)
_TREES = "it decides by comparisons, one after another, and the NPU has multiplications and additions only"
_KERNELS = "it compares each row with its support vectors by a kernel, for which the NPU has no operation"
_NEIGHBOURS = "it searches its training rows for the nearest, for which the NPU has no operation"
_REASONS = {
    "tree": _TREES,
    "ensemble": _TREES,
    "svm": _KERNELS,
    "gaussian_process": _KERNELS,
    "kernel_ridge": _KERNELS,
    "neighbors": _NEIGHBOURS,
}
"""Why estimators of a module of scikit-learn cannot go."""


@dataclass(frozen=True)
class Converted:
    """An estimator's two halves."""

    layers: tuple[Dense, ...]
    """For the NPU; the first takes the features, scaled."""
    surroundings: Surroundings
    """For the CPU."""


def converted(estimator: Any) -> Converted:
    """Take a fitted estimator apart.

    Args:
        estimator: see TAKEN; also a TransformedTargetRegressor or a search (GridSearchCV) over one of these.

    Raises:
        ConversionError: not fitted, or of a kind that the NPU cannot run; says why.
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.base import BaseEstimator
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted
    except ImportError as exc:
        raise MissingDependencyError("scikit-learn", "sklearn", "converting its estimators") from exc
    name = type(estimator).__name__
    if not isinstance(estimator, BaseEstimator):
        raise ConversionError(f"{name} is no estimator of scikit-learn: convert() takes {TAKEN}")
    try:
        check_is_fitted(estimator)
    except NotFittedError as exc:
        raise ConversionError(f"the {name} is not fitted: call its fit() first") from exc
    steps, final, target = unwrapped(estimator)
    scaling, leading = leading_steps(steps)
    for kind, take in takers().items():
        if isinstance(final, kind):
            made = take(final)
            break
    else:
        raise ConversionError(_refusal(final))
    layers, ending = made.layers, made.ending
    if leading is not None:
        shift = made.shift
        layers = (*leading, *(shifted(layers, shift) if shift is not None else layers))
    elif made.shift is not None:
        scaling = (*scaling, Affine(np.ones(len(made.shift)), -made.shift))
    if ending == "distances" and leading is not None:
        raise ConversionError(
            f"{type(final).__name__} after {' and '.join(type(step).__name__ for step in steps)} does not go: "
            "convert them apart, or put only scalers before it"
        )
    return Converted(
        tuple(layers),
        Surroundings(
            type(final).__name__,
            layers[0].weights.shape[1],
            ending,
            scaling,
            made.classes,
            made.decides,
            target and target.scaling,
            made.flat if target is None else target.flat and len(layers[-1].bias) == 1,
            columns=_columns(estimator, layers[0].weights.shape[1]),
        ),
    )


def _columns(estimator: Any, features: int) -> tuple[str, ...] | None:
    """Return the names of the features, which scikit-learn keeps where it was fit on a table."""
    try:
        names = tuple(map(str, estimator.feature_names_in_))
    except AttributeError:  # also of a Pipeline or search whose first step has none
        return None
    return names if len(names) == features else None


def _refusal(estimator: Any) -> str:
    module = type(estimator).__module__.split(".")
    reason = _REASONS.get(module[1] if len(module) > 1 and module[0] == "sklearn" else "")
    name = type(estimator).__name__
    if reason:
        return f"a {name} does not go on the NPU: {reason}; train an MLP or a linear model instead"
    return f"there is no conversion of a {name}: convert() takes {TAKEN}"
