"""What int8 is given: the same estimator with columns of one width, and rows that leave ranges narrow."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn.integrations.sklearn.narrow import balanced, calibrating, scaled

pytest.importorskip("sklearn")
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegression, Ridge

from yolorknn.integrations.sklearn.estimators import converted

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
ROWS, DIGIT = load_digits(return_X_y=True)
UNEVEN = ROWS[:300] * np.where(np.arange(64) % 2, 1, 100)


def test_balanced_columns_compute_the_same() -> None:
    """Columns that are 0 throughout stay as they are."""
    estimator = LogisticRegression(max_iter=50).fit(UNEVEN, DIGIT[:300])
    parts = balanced(converted(estimator), UNEVEN)
    (layer,), rows = parts.layers, scaled(parts, UNEVEN)
    expected = estimator.decision_function(UNEVEN)
    assert np.abs(layer(rows) - expected).max() <= 1e-5 * np.abs(expected).max()
    values, weights = np.abs(rows).max(0), np.abs(layer.weights).max(0)
    used = (values > 0) & (weights > 0)
    assert used.sum() > 40 and np.allclose(values[used], weights[used], rtol=1e-4), "neither is the wider"


def test_the_rows_that_widen_a_range_calibrate_classifiers_not() -> None:
    classifier = converted(LogisticRegression(max_iter=50).fit(ROWS, DIGIT))
    (layer,) = classifier.layers
    taken = calibrating(classifier, ROWS)
    assert abs(len(taken) - 0.9 * len(ROWS)) <= 2
    assert np.abs(layer(taken)).max() < np.abs(layer(scaled(classifier, ROWS))).max()
    features, targets = load_diabetes(return_X_y=True)
    assert len(calibrating(converted(Ridge().fit(features, targets)), features)) == len(features)


def test_distances_are_left_as_they_are() -> None:
    parts = converted(KMeans(3, n_init=1, random_state=0).fit(ROWS))
    assert balanced(parts, ROWS) is parts
