"""convert() and `yolorknn sklearn` with the real toolkit, and what they refuse before it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.commands import refused, run
from yolorknn import Place
from yolorknn.convert.dense import Dense, write
from yolorknn.errors import BuildError, CalibrationError, ConversionError, InputError
from yolorknn.integrations.sklearn import convert, load
from yolorknn.integrations.sklearn.files import read_rows
from yolorknn.model import rknn_file

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
import joblib
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = needs_ort
IRIS, KIND = load_iris(return_X_y=True)
DIGITS, DIGIT = load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def digits() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=100)).fit(DIGITS[:1200], DIGIT[:1200])


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_int8_gives_the_labels_of_the_estimator_and_says_what_its_probabilities_are(
    digits: Any, tmp_path: Path
) -> None:
    made = convert(digits, tmp_path / "digits.rknn", DIGITS, dtype="i8")
    assert made.held_back == len(DIGITS) // 5
    assert made.agreement is not None and made.agreement >= 0.99
    assert made.probability_error is not None and 0 < made.probability_error < 0.2
    assert f"held back: the estimator's label on {made.agreement:.1%}" in made.text()
    assert json.loads(made.files[-1].read_text())["probability_error"] == made.probability_error
    assert [file.suffix for file in made.files] == [".onnx", ".calibration", ".rknn", ".json"]
    with load(made.files[2], place=Place(simulate=True)) as predictor:  # calibrated with the rows that are kept
        assert (predictor.predict(DIGITS) == digits.predict(DIGITS)).mean() >= 0.99
    (made.files[1] / "mine.txt").write_text("")
    with pytest.raises(ConversionError, match="is not of an earlier conversion"):
        convert(digits, tmp_path / "digits.rknn", DIGITS, dtype="i8")


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_fp16_gives_every_label_on_the_npu(digits: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    joblib.dump(digits, "digits.joblib")
    assert "--trust" in refused("sklearn", "digits.joblib", "digits.rknn")
    done = run("sklearn", "digits.joblib", "digits.rknn", "--trust")
    assert done.stdout == "digits.rknn\n"
    assert {tensor.shape for tensor in rknn_file.read(Path("digits.rknn")).inputs} <= {(1, 64, 1, 64), (1, 1, 64, 64)}
    with load("digits.rknn", place=Place(simulate=True)) as predictor:
        rows = DIGITS[1200:]
        assert np.array_equal(predictor.predict(rows), digits.predict(rows))
        assert np.abs(predictor.predict_proba(rows) - digits.predict_proba(rows)).max() < 0.002
        with pytest.raises(InputError, match=r"beyond float16.*StandardScaler"):
            predictor.predict(rows * 1e7)
    table = json.loads(run("analyze", "digits.rknn", "--json").stdout)
    on_cpu = [layer for layer in table["layers"] if layer["target"] == "CPU"]
    assert {layer["op"] for layer in on_cpu} <= {"InputOperator", "OutputOperator"}


def test_values_beyond_float16_are_refused_before_the_toolkit_starts(tmp_path: Path) -> None:
    large = LinearRegression().fit(IRIS, KIND * 1e6)
    with pytest.raises(BuildError, match=r"weight of layer 1 reaches .* TransformedTargetRegressor"):
        convert(large, tmp_path / "m.rknn")
    clear = LinearRegression().fit(IRIS, KIND)
    with pytest.raises(BuildError, match="a feature of the calibration rows reaches"):
        convert(clear, tmp_path / "m.rknn", IRIS * 1e5)
    steep = LinearRegression().fit(IRIS, KIND * 1e4)
    with pytest.raises(BuildError, match="layer 1 on the calibration rows reaches"):
        convert(steep, tmp_path / "m.rknn", IRIS * 100)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (None, "give X_calibration, or --data"),
        (IRIS[:10], "at least 20 rows"),
        (IRIS[:, :2], r"takes \(N, 4\)"),
        (np.full((30, 4), np.nan), "no numbers"),
        ([["x"] * 4] * 30, "no array of numbers"),
    ],
)
def test_int8_without_rows_that_calibrate_is_refused(rows: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=said):
        convert(LogisticRegression(max_iter=200).fit(IRIS, KIND), tmp_path / "m.rknn", rows, dtype="i8")
    assert not list(tmp_path.iterdir())


def test_an_int8_model_warns_of_its_probabilities_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(LogisticRegression(max_iter=200).fit(IRIS, KIND), tmp_path / "m.onnx")
    beside = tmp_path / "m.sklearn.json"
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {"probability_error": 0.06}))
    with load(tmp_path / "m.onnx") as predictor:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predictor.predict_proba(IRIS)  # the .onnx is float
        monkeypatch.setattr(predictor, "_narrow", True)
        with pytest.warns(UserWarning, match=r"off by up to 0\.06"):
            predictor.predict_proba(IRIS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            predictor.predict_proba(IRIS)


def test_a_skops_file_needs_no_trust_and_rows_come_from_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    io = pytest.importorskip("skops.io")
    monkeypatch.chdir(tmp_path)
    io.dump(LogisticRegression(max_iter=200).fit(IRIS, KIND), "iris.skops")
    np.savetxt("iris.csv", IRIS, delimiter=",", header="a,b,c,d", comments="")
    assert run("sklearn", "iris.skops", "iris.onnx", "--data", "iris.csv").stdout == "iris.onnx\n"
    with load("iris.onnx") as predictor:
        assert set(predictor.predict(IRIS)) == {0, 1, 2}
    np.savetxt("plain.csv", IRIS[:, :3], delimiter=",")
    assert "takes (N, 4)" in refused("sklearn", "iris.skops", "iris.onnx", "--data", "plain.csv")
    Path("marked.csv").write_text("1,2\n3,4\n", encoding="utf-8-sig")  # as of Excel
    assert read_rows(Path("marked.csv")).tolist() == [[1, 2], [3, 4]]
    Path("text.csv").write_text("a,b\nc,d\n")
    assert "cannot read the rows in text.csv" in refused("sklearn", "iris.skops", "iris.onnx", "--data", "text.csv")
    assert "rows are a .npy or a .csv" in refused("sklearn", "iris.skops", "iris.onnx", "--data", "iris.onnx")


@pytest.mark.parametrize("name", ["m.joblib", "m.skops"])
def test_a_broken_file_is_refused_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.endswith("skops"):
        pytest.importorskip("skops.io")
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"no estimator at all")
    assert f"cannot read {name}" in refused("sklearn", name, "m.onnx", "--trust")
    assert "there is no" in refused("sklearn", "absent.joblib", "m.onnx")
    Path("m.bin").write_bytes(b"x")
    assert "suffix '.bin'" in refused("sklearn", "m.bin", "m.onnx")


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "logistic"])
def test_the_chain_that_is_written_is_the_chain_in_numpy(activation: Any, tmp_path: Path) -> None:
    import onnxruntime

    random = np.random.default_rng(0)
    layers = [
        Dense(random.normal(size=(7, 5)).astype(np.float32), random.normal(size=7).astype(np.float32), activation),
        Dense(random.normal(size=(1, 7)).astype(np.float32), random.normal(size=1).astype(np.float32), activation),
    ]
    write(layers, tmp_path / "m.onnx")
    rows = random.normal(size=(9, 5)).astype(np.float32) * 3
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": rows.T[None, :, None]})
    expected = rows
    for layer in layers:
        expected = layer(expected)
    assert found.shape == (1, 1, 1, 9) and np.abs(found[0, :, 0].T - expected).max() < 1e-5
