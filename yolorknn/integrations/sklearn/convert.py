"""A fitted estimator into an .onnx and a .rknn, checked against scikit-learn's own answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from yolorknn.convert.build import Outcome, build_as
from yolorknn.convert.dense import write
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import BuildError, CalibrationError, ConversionError
from yolorknn.files import check_folder, sha256, write_bytes
from yolorknn.integrations.sklearn.estimators import Converted, converted
from yolorknn.integrations.sklearn.narrow import KEPT, balanced, calibrating, keep, scaled
from yolorknn.integrations.sklearn.predictor import FLOAT16_MAX, PROBABLE, Predictor, load
from yolorknn.integrations.sklearn.surroundings import SUFFIX, Ending
from yolorknn.model.platforms import Dtype
from yolorknn.predict.open_model import Place
from yolorknn.progress import Progress

ROWS = 64
HELD_BACK = 5
"""Of the calibration rows, every fifth measures what int8 costs, and calibrates nothing."""
FEWEST_ROWS = 20


@dataclass(frozen=True)
class Conversion:
    """What convert() wrote, and how an int8 model answers on rows that did not calibrate it."""

    files: tuple[Path, ...]
    held_back: int = 0
    agreement: float | None = None
    """Share of rows, 0 to 1, to which it gives the estimator's own label."""
    probability_error: float | None = None
    """The largest, of a classifier with probabilities."""
    error: float | None = None
    """Of a regressor or transformer, the root mean square of what it is off by, over the spread of the values."""

    def text(self) -> str:
        """Return it in a sentence; empty where nothing was measured."""
        if not self.held_back:
            return ""
        parts = [] if self.agreement is None else [f"the estimator's label on {self.agreement:.1%}"]
        if self.probability_error is not None:
            parts.append(f"probabilities off by up to {self.probability_error:.3f}")
        if self.error is not None:
            parts.append(f"off by {self.error:.2%} of the values' spread (root mean square)")
        return f"int8 on {self.held_back} rows held back: {', '.join(parts)}"


def convert(
    estimator: Any,
    output: str | Path,
    X_calibration: ArrayLike | None = None,
    *,
    platform: str = "rk3588",
    dtype: Dtype = "fp16",
    rows: int = ROWS,
    toolkit: str | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Convert a fitted estimator: NAME.onnx, NAME.rknn, and NAME.sklearn.json with what stays on the CPU.

    int8 leaves NAME.calibration too, the rows as arrays, with which the simulator builds it again.

    Scalers, softmax, argmax, thresholds and the inverse of a target's transform are not in the network: they are
    computed by load()'s Predictor in float32, as int8 has no room for them.

    Args:
        estimator: fitted; see estimators.TAKEN.
        output: the .rknn; or an .onnx, and no .rknn is built.
        X_calibration: rows like those to come, (N, features): needed for int8, where every fifth measures and the
            others calibrate; for fp16 they show whether a value is beyond float16.
        platform: the chip, as `rk3588`.
        dtype: "fp16"; "i8" is faster and rougher, its probabilities above all.
        rows: of one run of the NPU, which takes hardly longer for 64 than for one.
        toolkit: version of the rknn-toolkit2 to build with; see yolorknn.build().
        progress: told the steps.

    Raises:
        ConversionError: not fitted, or of a kind that the NPU cannot run.
        CalibrationError: int8 without enough rows; or they are not the estimator's.
        BuildError: values are beyond float16, or rknn-toolkit2 failed.
        MissingDependencyError: scikit-learn, onnx or rknn-toolkit2 is not installed.
        OutputError: a file cannot be written.
    """
    target = Path(output)
    if target.suffix not in (".rknn", ".onnx"):
        raise ConversionError(f"{target} has suffix '{target.suffix}': name the .rknn, or an .onnx to stop there")
    if rows < 1:
        raise ConversionError(f"rows = {rows}: a run has at least one")
    if dtype not in ("fp16", "i8"):
        raise ConversionError(f"dtype {dtype} is not fp16 or i8")
    parts = converted(estimator)
    data = None if X_calibration is None else _checked(X_calibration, parts)
    if dtype == "i8" and (data is None or len(data) < FEWEST_ROWS):
        raise CalibrationError(
            f"int8 needs at least {FEWEST_ROWS} rows like those to come: give X_calibration, or --data"
        )
    network = target.with_suffix(".onnx")
    check_folder(target.parent)
    if target.suffix == ".rknn":
        _check_range(parts, data)
    if target.suffix == ".onnx":
        write(parts.layers, network)
        return Conversion((network, _write(parts, target, (network,))))
    dataset, held = None, np.zeros(0)
    if dtype == "i8" and data is not None:
        back = np.arange(len(data)) % HELD_BACK == HELD_BACK - 1
        parts, held = balanced(parts, data[~back]), data[back]
        dataset = keep(calibrating(parts, data[~back]), target.with_suffix(KEPT), rows)
    write(parts.layers, network)
    options = BuildOptions(load={"input_size_list": [[1, parts.layers[0].weights.shape[1], 1, rows]]})
    request = BuildRequest(network, platform, dtype, dataset, options=options, generic=True, toolkit=toolkit)
    build_as(request, Outcome(target), progress=progress)
    beside = _write(parts, target, (network, target))
    if dataset is None:
        return Conversion((network, target, beside))
    made = Conversion((network, dataset, target, beside))
    with load(target, place=Place(simulate=True, toolkit=toolkit), progress=progress) as predictor:
        made = _compared(estimator, predictor, parts.surroundings.ending, held, made)
    if made.probability_error is not None:
        around = replace(parts.surroundings, probability_error=made.probability_error)
        _write(replace(parts, surroundings=around), target, (network, target))
    return made


def _checked(given: ArrayLike, parts: Converted) -> NDArray[np.float64]:
    columns = parts.surroundings.features
    if why := parts.surroundings.other_columns(given):
        raise CalibrationError(f"the calibration rows are none of the estimator's: {why}")
    try:
        data = np.asarray(given, np.float64)
    except (ValueError, TypeError) as exc:
        raise CalibrationError(f"the calibration rows are no array of numbers: {exc}") from exc
    if data.ndim != 2 or data.shape[1] != columns or not len(data):
        raise CalibrationError(f"the calibration rows are {data.shape}, the estimator takes (N, {columns})")
    if not np.isfinite(data).all():
        raise CalibrationError("the calibration rows have values that are no numbers (NaN, infinity)")
    return data


def _check_range(parts: Converted, data: NDArray[np.float64] | None) -> None:
    """Refuse what float16 cannot hold, before the NPU makes NaN of it."""
    for number, layer in enumerate(parts.layers, 1):
        largest = max(float(np.abs(layer.weights).max()), float(np.abs(layer.bias).max()))
        _check_below(largest, f"a weight of layer {number}", parts)
    if data is None:
        return
    values = scaled(parts, data)
    _check_below(float(np.abs(values).max()), "a feature of the calibration rows", parts)
    for number, layer in enumerate(parts.layers, 1):
        sums = replace(layer, activation="identity")(values)
        _check_below(float(np.abs(sums).max()), f"layer {number} on the calibration rows", parts)
        values = layer(values)


def _check_below(largest: float, what: str, parts: Converted) -> None:
    if largest <= FLOAT16_MAX:
        return
    ending = parts.surroundings.ending
    advice = "put a StandardScaler before the estimator and fit again"
    if ending in ("identity", "exp"):
        advice += "; if its targets are large, fit it inside TransformedTargetRegressor(transformer=StandardScaler())"
    raise BuildError(f"{what} reaches {largest:.3g}, beyond float16's {FLOAT16_MAX:g}: {advice}")


def _write(parts: Converted, target: Path, models: tuple[Path, ...]) -> Path:
    around = replace(parts.surroundings, files={model.suffix: sha256(model) for model in models})
    path = target.with_suffix(SUFFIX)
    write_bytes(path, around.to_json().encode())
    return path


def _compared(
    estimator: Any, predictor: Predictor, ending: Ending, rows: NDArray[np.float64], made: Conversion
) -> Conversion:
    """Return what the int8 model answers on the rows held back, against the estimator itself."""
    agreement = probability = error = None
    if ending in ("identity", "exp", "transform"):
        call = "transform" if ending == "transform" else "predict"
        theirs = np.asarray(getattr(estimator, call)(rows), np.float64)
        off = getattr(predictor, call)(rows) - theirs
        error = float(np.sqrt((off**2).mean()) / max(theirs.std(), np.finfo(np.float32).tiny))
    else:
        same = predictor.predict(rows) == estimator.predict(rows)
        agreement = float(same.reshape(len(rows), -1).all(1).mean())
    if ending in PROBABLE:
        probability = float(np.abs(predictor.predict_proba(rows) - estimator.predict_proba(rows)).max())
    return replace(made, held_back=len(rows), agreement=agreement, probability_error=probability, error=error)
