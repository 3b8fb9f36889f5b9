"""Predictor: a converted estimator, used as scikit-learn's, without scikit-learn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yolorknn.errors import InferenceError, InputError, ModelError
from yolorknn.integrations.sklearn.surroundings import Surroundings
from yolorknn.model.values import sigmoid
from yolorknn.predict.open_model import HERE, Place
from yolorknn.predict.runner import Runner
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime

FLOAT16_MAX = 65504.0
"""IEEE 754: the largest number of a float16."""
PROBABLE = ("softmax", "shares", "sigmoid", "labels")
"""The endings of estimators that have predict_proba()."""
MOST_ROWS = 4096
"""Of a run of an .onnx, which takes as many as there are: so that what is in between stays small."""


def load(
    model: str | Path, *, place: Place = HERE, runtime: Runtime = "auto", progress: Progress | None = None
) -> Predictor:
    """Open what convert() wrote.

    Args:
        model: the .rknn on a board, or the .onnx anywhere; its .sklearn.json stands beside it.
        place: where it is to run; default is here.
        runtime: on a board, "lite", "c" or "auto"; see Detector.
        progress: told the steps of a build for the simulator.

    Raises:
        ModelError: absent, broken, without its .sklearn.json, or not for this machine.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """
    path = Path(model)
    surroundings = Surroundings.read(path)
    runner = Runner(path, place=place, runtime=runtime, progress=progress)
    try:
        return Predictor(path, surroundings, runner)
    except BaseException:
        runner.close()
        raise


class Predictor:
    """A fitted estimator on the NPU. Made by load(); takes rows (N, n_features_in_) of finite numbers.

    N is any number: more rows than a run has go in pieces, on the NPU fewer are padded.

    Attributes:
        classes_: of a classifier, (classes,), as in scikit-learn; else None.
        n_features_in_: columns of a row.
        rows: of a run of the NPU; of an .onnx, the most in a run.
    """

    def __init__(self, model: Path, surroundings: Surroundings, runner: Runner) -> None:
        self._model, self._around, self._runner = model, surroundings, runner
        self.classes_ = surroundings.classes
        self.n_features_in_ = surroundings.features
        shape = runner.inputs[0].shape if len(runner.inputs) == 1 else ()
        if len(shape) != 4 or shape[:3] != (1, surroundings.features, 1) or len(runner.outputs) != 1:
            raise ModelError(f"{model} takes {shape}, not {surroundings.features} features a row: convert again")
        self._open = shape[3] == 0
        self.rows: int = shape[3] or MOST_ROWS
        self._narrow = model.suffix == ".rknn"
        self._warned = False

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return labels, targets or clusters, as the estimator itself does.

        Raises:
            InputError: rows that are none of its; or it has no predict().
            InferenceError: the runtime failed.
        """
        around = self._around
        values = self._values(X, "predict", but=("transform",))
        made: NDArray[Any]
        match around.ending:
            case "softmax" | "shares":
                made = self._classes[values.argmax(1)]
            case "sigmoid" | "margin":
                single = values.shape[1] == 1
                made = self._classes[(values[:, 0] > 0).astype(int) if single else values.argmax(1)]
            case "labels":
                made = (values > 0).astype(int)
            case "distances":
                made = values.argmin(1).astype(np.int32)
            case _:
                targets = np.exp(values) if around.ending == "exp" else values
                targets = targets if around.target is None else around.target.undone(targets)
                made = targets[:, 0] if around.flat else targets
        return made

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return probabilities, (N, classes), of classes_ in turn; of an int8 model with a warning of their error.

        Raises:
            InputError: rows that are none of its; or it has no predict_proba().
            InferenceError: the runtime failed.
        """
        values = self._values(X, "predict_proba", only=PROBABLE)
        if self._around.probability_error is not None and self._narrow and not self._warned:
            self._warned = True
            warnings.warn(
                f"probabilities of an int8 model are rough: on rows held back they were off by up to "
                f"{self._around.probability_error:.2g}; convert with dtype='fp16' for better ones",
                stacklevel=2,
            )
        made: NDArray[np.float32]
        if self._around.ending == "softmax":
            powers = np.exp(values - values.max(1, keepdims=True))
            made = powers / powers.sum(1, keepdims=True)
            return made
        positive = sigmoid(values)
        if self._around.ending == "shares":
            made = positive / positive.sum(1, keepdims=True)
            return made
        return np.hstack((1 - positive, positive)) if self._around.ending == "sigmoid" else positive

    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return margins, (N,) of two classes, else (N, classes).

        Raises:
            InputError: rows that are none of its; or it has no decision_function().
            InferenceError: the runtime failed.
        """
        if not self._around.decides:
            raise self._lacks("decision_function")
        values = self._values(X, "decision_function")
        return values[:, 0] if values.shape[1] == 1 else values

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return features, or of KMeans the distances to the centres, (N, columns).

        Raises:
            InputError: rows that are none of its; or it has no transform().
            InferenceError: the runtime failed.
        """
        values = self._values(X, "transform", only=("transform", "distances"))
        if self._around.ending == "transform":
            return values
        lengths = (self._scaled(X) ** 2).sum(1, keepdims=True)
        made: NDArray[np.float32] = np.sqrt(np.maximum(values + lengths, 0)).astype(np.float32)
        return made

    def close(self) -> None:
        """Free what it holds; a second call does nothing."""
        self._runner.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _classes(self) -> NDArray[Any]:
        if self.classes_ is None:
            raise ModelError(f"{self._model} has no classes beside it: convert again")
        return self.classes_

    def _lacks(self, method: str) -> InputError:
        return InputError(f"{self._model} was made from a {self._around.estimator}, which has no {method}()")

    def _values(
        self, given: ArrayLike, method: str, *, only: tuple[str, ...] = (), but: tuple[str, ...] = ()
    ) -> NDArray[np.float32]:
        """Return the network's values, (N, outputs)."""
        if self._around.ending in but or (only and self._around.ending not in only):
            raise self._lacks(method)
        scaled = self._scaled(given)
        count = len(scaled)
        pieces = -(-count // self.rows)
        rows = -(-count // pieces) if self._open else self.rows
        padded = np.zeros((pieces * rows, scaled.shape[1]), np.float32)
        padded[:count] = scaled
        laid = padded.reshape(pieces, rows, -1).transpose(0, 2, 1)[:, None, :, None]
        name = self._runner.outputs[0].name
        runs = self._runner.stream(laid) if pieces > 1 else map(self._runner.run, laid)
        values = np.hstack([run[name].reshape(-1, rows) for run in runs]).T[:count]
        if not np.isfinite(values).all():
            raise InferenceError(
                f"{self._model} gave values that are no numbers: are the rows like those it was fit on?"
            )
        return np.ascontiguousarray(values, np.float32)

    def _scaled(self, given: ArrayLike) -> NDArray[np.float32]:
        if why := self._around.other_columns(given):
            raise InputError(why)
        try:
            rows = np.asarray(given, np.float64)
        except (ValueError, TypeError) as exc:
            raise InputError(f"the rows are no array of numbers: {exc}") from exc
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_ or not len(rows):
            hint = "; a single row is X.reshape(1, -1)" if rows.ndim == 1 else ""
            raise InputError(f"the rows are {rows.shape}, the model takes (N, {self.n_features_in_}){hint}")
        for affine in self._around.scaling:
            rows = affine(rows)
        if not np.isfinite(rows).all():
            raise InputError("the rows have values that are no numbers (NaN, infinity)")
        if self._narrow and np.abs(rows).max() > FLOAT16_MAX:
            raise InputError(
                f"the rows have values up to {np.abs(rows).max():.3g}, beyond float16's {FLOAT16_MAX:g}: put a "
                "StandardScaler before the estimator"
            )
        return rows.astype(np.float32)
