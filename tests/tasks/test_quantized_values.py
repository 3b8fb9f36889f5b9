"""Quantized numbers and the values they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from yolorknn.model.metadata import Tensor
from yolorknn.model.values import floats, limit, numbers_of, usable, values_of
from yolorknn.tasks.cells import Places, above, values_at


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"),
    [
        ("int8", 0.0, 0),
        ("int8", -0.1, 0),
        ("int8", float("nan"), 0),
        ("int8", float("inf"), 0),
        ("int8", 1e-42, 0),
        ("int8", 3e38, 0),
        ("int8", 0.1, 128),
        ("uint8", 0.1, -1),
        ("int32", 0.1, 0),
        ("float32", 0.1, 0),
    ],
)
def test_scales_on_which_integers_cannot_be_compared(dtype: str, scale: float, zero_point: int) -> None:
    assert not usable(dtype, scale, zero_point)


def test_values_of_a_sessions_output() -> None:
    array: NDArray[np.int8] = np.array([[-128, 0, 127]], np.int8)
    assert values_of(array, Tensor("a", (1, 3), "int8")) is array
    assert numbers_of(values_of(array.astype(float), Tensor("a", (1, 3), "float64"))).dtype == np.float32
    quantized = values_of(array, Tensor("a", (1, 3), "int8", "", 0.5, -128))
    assert floats(quantized).tolist() == [[0, 64, 127.5]]


def test_values_at_takes_from_each_stride_its_own() -> None:
    parts = [np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2), np.array([[[[50]], [[60]]]], np.float32)]
    assert values_at(parts, Places.of_any(np.array([4, 1, 3]), parts)).tolist() == [[50, 1, 3], [60, 5, 7]]
    assert values_at(parts, Places.of_any(np.zeros(0, np.int64), parts)).shape == (2, 0)


def test_a_threshold_of_minus_0_is_0() -> None:
    """Its bits are those of a large number; and what is known of one of them serves the other, as they are equal."""
    scores = np.array([[[[0, 0.25]]]], np.float32)
    for conf in (-0.0, 0.0):
        limit.cache_clear()
        assert above([("scores", scores)], conf, multi_label=False).score.tolist() == [0.25]
