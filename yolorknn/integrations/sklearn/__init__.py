"""scikit-learn's estimators on the NPU: converted on a PC, used on a board that has no scikit-learn.

from yolorknn.integrations.sklearn import convert, load

convert(estimator, "iris.rknn")             # on the PC
with load("iris.rknn") as iris:             # on the board
    labels = iris.predict(rows)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolorknn.lazy import lazily

if TYPE_CHECKING:
    from yolorknn.integrations.sklearn.convert import Conversion, convert
    from yolorknn.integrations.sklearn.predictor import Predictor, load

__all__ = ["Conversion", "Predictor", "convert", "load"]
__getattr__ = lazily(
    __name__, {"Conversion": "convert", "convert": "convert", "Predictor": "predictor", "load": "predictor"}
)
