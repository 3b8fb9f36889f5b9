"""scikit-learn's own data sets on the real toolkit's simulator: how far from the estimator's answers the NPU is.

    python -m pytest -s --all tests/integrations/sklearn/test_measured.py

prints a row for each, on a third of the rows, with which the estimator was not fitted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.commands import run
from yolorknn import Place
from yolorknn.integrations.sklearn import convert, load

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = [needs_ort, needs_toolkit, pytest.mark.toolkit, pytest.mark.exhaustive]
pytestmark += map(pytest.mark.filterwarnings, ("ignore:probabilities of an int8 model", "ignore:.*Maximum iterations"))
SIMULATED = Place(simulate=True)


def scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def scaled_target(estimator: Any) -> Any:
    return TransformedTargetRegressor(scaled(estimator), transformer=StandardScaler())


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "MLP": lambda: scaled(MLPClassifier((100,), max_iter=1000, random_state=0)),
    "logistic": lambda: scaled(LogisticRegression(max_iter=1000)),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "MLP": lambda: scaled_target(MLPRegressor(hidden_layer_sizes=(100,), max_iter=1000, random_state=0)),
    "ridge": lambda: scaled_target(Ridge()),
}


def split(data: str) -> tuple[Any, Any, Any]:
    """Return rows and answers to fit with, and rows to measure on."""
    rows, answers = getattr(datasets, f"load_{data}")(return_X_y=True)
    taken, left, known, _ = train_test_split(rows, answers, test_size=1 / 3, random_state=0)
    return taken, known, left


def check_all_on_the_npu(model: Path) -> None:
    layers = json.loads(run("analyze", model, "--json").stdout)["layers"]
    assert {layer["op"] for layer in layers if layer["target"] == "CPU"} <= {"InputOperator", "OutputOperator"}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("data", ["digits", "wine", "iris", "breast_cancer"])
def test_a_classifier(data: str, name: str, tmp_path: Path) -> None:
    taken, known, left = split(data)
    estimator = CLASSIFIERS[name]().fit(taken, known)
    wanted, shares = estimator.predict(left), estimator.predict_proba(left)
    same, off = {}, {}
    for dtype in ("fp16", "i8"):
        convert(estimator, tmp_path / f"{dtype}.rknn", taken, dtype=dtype)
        check_all_on_the_npu(tmp_path / f"{dtype}.rknn")
        with load(tmp_path / f"{dtype}.rknn", place=SIMULATED) as predictor:
            same[dtype] = float((predictor.predict(left) == wanted).mean())
            off[dtype] = float(np.abs(predictor.predict_proba(left) - shares).max())
    print(f"\n{data:<14} {name:<9} {len(left)} rows", *(f"{t} {same[t]:.2%} off {off[t]:.2g}" for t in same))
    assert same["fp16"] == 1 and off["fp16"] <= 0.002
    assert same["i8"] >= 0.99


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor(name: str, tmp_path: Path) -> None:
    taken, known, left = split("diabetes")
    estimator = REGRESSORS[name]().fit(taken, known)
    wanted = estimator.predict(left)
    share = {}
    for dtype in ("fp16", "i8"):
        convert(estimator, tmp_path / f"{dtype}.rknn", taken, dtype=dtype)
        check_all_on_the_npu(tmp_path / f"{dtype}.rknn")
        with load(tmp_path / f"{dtype}.rknn", place=SIMULATED) as predictor:
            error = predictor.predict(left) - wanted
        share[dtype] = float(np.sqrt((error**2).mean()) / known.std())
    print(f"\ndiabetes       {name:<9} {len(left)} rows", *(f"{t} RMSE {share[t]:.4%} of the spread" for t in share))
    assert share["fp16"] < 0.002


def test_how_long_ten_thousand_rows_take(tmp_path: Path) -> None:
    """Nothing is asserted of times: run it on a machine that does nothing else."""
    taken, known, left = split("digits")
    many = np.resize(left, (10_000, left.shape[1]))
    for name, make in CLASSIFIERS.items():
        estimator = make().fit(taken, known)
        convert(estimator, tmp_path / "m.onnx")
        with load(tmp_path / "m.onnx") as predictor:
            assert np.array_equal(predictor.predict(many), estimator.predict(many))
            ours, theirs = (best(model.predict, many) for model in (predictor, estimator))
        print(f"\ndigits {name:<9} 10,000 rows: {ours:.1f} ms, scikit-learn {theirs:.1f} ms: {ours / theirs:.2f}")


def best(predict: Callable[[Any], Any], rows: Any) -> float:
    """Return the shortest of some runs, in ms."""
    times = []
    for _ in range(15):
        start = time.perf_counter()
        predict(rows)
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
