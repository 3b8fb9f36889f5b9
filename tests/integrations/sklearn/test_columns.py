"""Rows as tables, whose columns have names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort
from yolorknn.errors import CalibrationError, InputError
from yolorknn.integrations.sklearn import convert, load

pytest.importorskip("sklearn")
pytest.importorskip("onnx")
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

pytestmark = needs_ort
IRIS, KIND = load_iris(return_X_y=True)


class Table:
    """What pandas' and others' are asked for here."""

    def __init__(self, values: NDArray[Any], columns: list[Any]) -> None:
        self.values, self.columns = values, columns

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        return self.values


def test_a_table_has_the_columns_that_it_was_fit_on(tmp_path: Path) -> None:
    """As scikit-learn itself asks for; else each feature would be taken for another."""
    estimator = make_pipeline(StandardScaler(), LinearSVC()).fit(IRIS, KIND)
    theirs = estimator.predict(IRIS)
    estimator[0].feature_names_in_ = np.array(["a", "b", "c", "d"], object)
    for calibrating in (None, Table(IRIS, ["a", "b", "c", "d"])):
        convert(estimator, tmp_path / "m.onnx", calibrating)
    with pytest.raises(CalibrationError, match="or in another order"):
        convert(estimator, tmp_path / "m.onnx", Table(IRIS, ["d", "b", "c", "a"]))
    with load(tmp_path / "m.onnx") as predictor:
        for rows in (IRIS, Table(IRIS, ["a", "b", "c", "d"]), Table(IRIS, [0, 1, 2, 3])):
            assert np.array_equal(predictor.predict(rows), theirs)
        for columns, said in ((["a", "b", "d", "c"], r"take \[a, b, c, d\]"), (["a", "b", "c", "e"], "no column d")):
            with pytest.raises(InputError, match=said):
                predictor.predict(Table(IRIS, columns))
    beside = tmp_path / "m.sklearn.json"
    beside.write_text(beside.read_text().replace(', "columns": ["a", "b", "c", "d"]', ""))  # as it was before
    with load(tmp_path / "m.onnx") as predictor:
        assert np.array_equal(predictor.predict(Table(IRIS, ["a", "b", "d", "c"])), theirs)
