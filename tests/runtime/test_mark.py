"""Outputs of the frame before are known by a part of them."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn.runtime.mark import EACH, mark_of

SHAPES = {"box": (1, 64, 80, 80), "cls": (1, 80, 80, 80), "few": (1, 3, 4), "flat": (1, 100_000)}


def outputs(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def image(shade: int) -> dict[str, np.ndarray]:
    return {"images": np.full((1, 640, 640, 3), shade, np.uint8)}


def test_the_same_outputs_of_another_image_are_stale() -> None:
    one = outputs()
    again = {name: array.copy() for name, array in one.items()}
    assert mark_of(image(2), again).is_stale_after(mark_of(image(1), one))
    assert not mark_of(image(1), again).is_stale_after(mark_of(image(1), one)), "the same image"


@pytest.mark.parametrize("name", SHAPES)
def test_any_place_that_differs_is_seen(name: str) -> None:
    """As all channels of a cell do."""
    one = outputs()
    before = mark_of(image(1), one)
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = {key: array.copy() for key, array in one.items()}
        places = other[name].reshape(*SHAPES[name][:2], -1)
        places[..., rng.integers(places.shape[-1])] += 1
        assert not mark_of(image(2), other).is_stale_after(before)


def test_little_is_kept_and_none_of_it_is_a_view() -> None:
    one = outputs()
    kept = mark_of(image(1), one).kept
    large = [name for name, shape in SHAPES.items() if len(shape) == 4]
    assert sum(kept[name].nbytes for name in large) * EACH <= 1.1 * sum(one[name].nbytes for name in large)
    assert all(kept[name].base is None for name in large)
