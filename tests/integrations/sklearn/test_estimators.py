"""Every estimator that goes, through onnxruntime, against scikit-learn's own answers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort
from yolorknn.errors import ConversionError, InputError, ModelError
from yolorknn.integrations.sklearn import convert, load
from yolorknn.integrations.sklearn import predictor as predictor_module

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC

pytestmark = needs_ort
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS, DIGIT = DIGITS[:300], DIGIT[:300]
IRIS, KIND = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KIND]
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
SEVERAL = np.stack([DIGIT % 2, DIGIT > 4, DIGIT == 3], 1).astype(int)
TWO_TARGETS = np.stack([PROGRESS, 300 - PROGRESS], 1)


def mlp(activation: str = "relu", **more: Any) -> MLPClassifier:
    return MLPClassifier((12,), activation=activation, max_iter=20, random_state=0, **more)


def regressor(**more: Any) -> MLPRegressor:
    return MLPRegressor(hidden_layer_sizes=(12,), max_iter=30, random_state=0, **more)


CASES = {
    "relu": (mlp(), DIGITS, DIGIT),
    "tanh": (make_pipeline(StandardScaler(), mlp("tanh")), DIGITS, DIGIT),
    "logistic": (make_pipeline(MinMaxScaler(clip=True), mlp("logistic")), DIGITS, DIGIT),
    "identity": (make_pipeline(RobustScaler(), mlp("identity")), IRIS, NAMES),
    "two classes": (make_pipeline(MaxAbsScaler(), mlp()), DIGITS, DIGIT % 2 == 0),
    "several labels": (mlp(), DIGITS, SEVERAL),
    "search": (GridSearchCV(mlp(), {"alpha": [0.1, 1]}, cv=2), IRIS, KIND),
    "regressor": (make_pipeline(StandardScaler(), regressor()), DIABETES, PROGRESS),
    "two targets": (regressor(), DIABETES, TWO_TARGETS),
    "poisson": (regressor(loss="poisson"), DIABETES, PROGRESS / 100),
    "scaled target": (
        TransformedTargetRegressor(make_pipeline(StandardScaler(), regressor()), transformer=StandardScaler()),
        DIABETES,
        PROGRESS,
    ),
    "logistic regression": (LogisticRegression(max_iter=50), DIGITS, DIGIT),
    "logistic regression of two": (LogisticRegression(), IRIS[:100], NAMES[:100]),
    "linear svc": (LinearSVC(), IRIS, NAMES),
    "linear svc of two": (LinearSVC(), IRIS[50:], KIND[50:]),
    "ridge classifier": (RidgeClassifier(), IRIS, KIND),
    "lda": (LinearDiscriminantAnalysis(), IRIS, KIND),
    "lda of two": (LinearDiscriminantAnalysis(), IRIS[50:], KIND[50:]),
    "linear": (LinearRegression(), DIABETES, PROGRESS),
    "linear of two targets": (LinearRegression(), DIABETES, TWO_TARGETS),
    "ridge": (make_pipeline(StandardScaler(), MinMaxScaler(), Ridge()), DIABETES, PROGRESS),
    "lasso": (Lasso(alpha=0.1), DIABETES, PROGRESS),
    "elastic net": (ElasticNet(alpha=0.1, fit_intercept=False), DIABETES, PROGRESS),
    "pca": (PCA(5), IRIS @ np.ones((4, 6)) + np.arange(6), None),
    "whitened pca": (make_pipeline(StandardScaler(), PCA(3, whiten=True)), IRIS, None),
    "svd": (TruncatedSVD(3, random_state=0), IRIS, None),
    "kmeans": (make_pipeline(StandardScaler(), KMeans(4, n_init=2, random_state=0)), IRIS + 1000, None),
    "pca, scaler and mlp": (make_pipeline(StandardScaler(), PCA(8), StandardScaler(), mlp()), DIGITS, DIGIT),
    "pca and pca": (make_pipeline(PCA(8), PCA(3)), DIGITS, None),
    "no mean taken": (
        make_pipeline(StandardScaler(with_mean=False), PCA(3), StandardScaler(with_mean=False), LogisticRegression()),
        IRIS,
        KIND,
    ),
    "scaled target of two axes": (
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler(with_mean=False)),
        DIABETES,
        PROGRESS[:, None],
    ),
    "passthrough": (make_pipeline(MaxAbsScaler(), "passthrough", Ridge()), DIABETES, PROGRESS),
}
METHODS = ("predict", "predict_proba", "decision_function", "transform")


def fitted(name: str) -> tuple[Any, NDArray[Any]]:
    estimator, rows, targets = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(rows, targets), rows


@pytest.mark.parametrize("name", CASES)
def test_answers_are_the_estimators_own(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one run and in several."""
    monkeypatch.setattr(predictor_module, "MOST_ROWS", 50)
    estimator, rows = fitted(name)
    convert(estimator, tmp_path / "m.onnx")
    called = 0
    with load(tmp_path / "m.onnx") as predictor:
        for count in (1, 50, 120):
            for method in METHODS:
                if not hasattr(estimator, method) or (name.startswith("lda") and method == "transform"):
                    continue
                found, theirs = getattr(predictor, method)(rows[:count]), getattr(estimator, method)(rows[:count])
                assert found.shape == theirs.shape, method
                if theirs.dtype.kind == "f":
                    spread = max(1.0, float(np.abs(theirs).max()))
                    assert np.abs(found - theirs).max() < 2e-5 * spread, method
                else:
                    assert np.array_equal(found, theirs) and found.dtype.kind == theirs.dtype.kind, method
                called += 1
        assert predictor.n_features_in_ == estimator.n_features_in_ and called >= 3
        if hasattr(estimator, "classes_") and name != "several labels":
            assert predictor.classes_ is not None and np.array_equal(predictor.classes_, estimator.classes_)


@pytest.mark.parametrize("told", [{"multi_class": "ovr"}, {"solver": "liblinear"}])
def test_classes_that_were_fitted_one_by_one(told: dict[str, str], tmp_path: Path) -> None:
    """As scikit-learn before 1.8 can do: of each class a sigmoid, and these divided by their sum."""
    estimator = LogisticRegression(max_iter=1000).fit(IRIS, KIND)
    estimator.__dict__.update(told)
    convert(estimator, tmp_path / "m.onnx")
    with load(tmp_path / "m.onnx") as predictor:
        each = 1 / (1 + np.exp(-estimator.decision_function(IRIS)))
        assert np.allclose(predictor.predict_proba(IRIS), each / each.sum(axis=1, keepdims=True), atol=1e-5)
        assert np.array_equal(predictor.predict(IRIS), estimator.predict(IRIS))
    two = LogisticRegression().fit(IRIS[:100], KIND[:100])
    two.__dict__["multi_class"] = "multinomial"
    with pytest.raises(ConversionError, match="two classes with multi_class='multinomial'"):
        convert(two, tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (RandomForestClassifier(2), "comparisons"),
        (SVC(), "support vectors"),
        (KNeighborsClassifier(), "nearest"),
        (GaussianNB(), "there is no conversion of a GaussianNB"),
        (make_pipeline(PolynomialFeatures(), Ridge()), "step before the last is a PolynomialFeatures"),
        (make_pipeline(PCA(2), KMeans(2, n_init=1)), "convert them apart"),
        (TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), "FunctionTransformer"),
        (RidgeClassifier(), "several labels"),
    ],
)
def test_what_the_npu_cannot_run_is_refused_with_the_reason(estimator: Any, said: str, tmp_path: Path) -> None:
    targets = SEVERAL[:, :2] if said == "several labels" else np.abs(DIGIT)
    with pytest.raises(ConversionError, match=said):
        convert(estimator.fit(DIGITS, targets), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_not_fitted_or_no_estimator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"call its fit\(\)"):
        convert(Ridge(), tmp_path / "m.onnx")
    with pytest.raises(ConversionError, match="dict is no estimator"):
        convert({}, tmp_path / "m.onnx")
    with pytest.raises(ConversionError, match=r"suffix '\.bin'"):
        convert(Ridge(), tmp_path / "m.bin")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (IRIS[0], r"reshape\(1, -1\)"),
        (IRIS[:, :3], r"\(N, 4\)"),
        (IRIS[:0], r"\(N, 4\)"),
        (np.full((2, 4), np.nan), "no numbers"),
        (np.full((2, 4), np.inf), "no numbers"),
        ([["a", "b", "c", "d"]], "no array of numbers"),
        ([[1, 2, 3, 4], [1]], "no array of numbers"),
    ],
)
def test_rows_that_are_none_are_refused(rows: Any, said: str, tmp_path: Path) -> None:
    convert(LinearSVC().fit(IRIS, KIND), tmp_path / "m.onnx")
    with load(tmp_path / "m.onnx") as predictor, pytest.raises(InputError, match=said):
        predictor.predict(rows)


def test_a_method_that_the_estimator_lacks_is_named(tmp_path: Path) -> None:
    convert(LinearSVC().fit(IRIS, KIND), tmp_path / "m.onnx")
    with load(tmp_path / "m.onnx") as predictor:
        for method in ("predict_proba", "transform"):
            with pytest.raises(InputError, match=rf"LinearSVC, which has no {method}\(\)"):
                getattr(predictor, method)(IRIS)
    convert(fitted("identity")[0], tmp_path / "m.onnx")
    with load(tmp_path / "m.onnx") as predictor, pytest.raises(InputError, match="decision_function"):
        predictor.decision_function(IRIS)


def test_the_file_beside_the_model_is_checked(tmp_path: Path) -> None:
    convert(LinearSVC().fit(IRIS, KIND), tmp_path / "m.onnx")
    beside = tmp_path / "m.sklearn.json"
    text = beside.read_text()
    for wrong in (
        "",
        "[]",
        "{}",
        text.replace('"features": 4', '"features": 0'),
        text[:-9],
        text.replace('"margin"', '"x"'),
    ):
        beside.write_text(wrong)
        with pytest.raises(ModelError, match="convert the estimator again"):
            load(tmp_path / "m.onnx")
    beside.write_text(text)
    convert(LinearSVC().fit(IRIS, 2 - KIND), tmp_path / "n.onnx")
    (tmp_path / "n.onnx").replace(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="belongs to another model"):
        load(tmp_path / "m.onnx")
    beside.unlink()
    with pytest.raises(ModelError, match="copy both"):
        load(tmp_path / "m.onnx")
