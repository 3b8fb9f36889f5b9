"""Outputs of the frame before are known by a part of them."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn.runtime.mark import EACH, FIRST_BELIEVED, MOST_BELIEVED, Mark, Repeats, mark_of

SHAPES = {"box": (1, 64, 80, 80), "cls": (1, 80, 80, 80), "few": (1, 3, 4), "flat": (1, 100_000)}


def outputs(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def image(shade: int) -> dict[str, np.ndarray]:
    return {"images": np.full((1, 640, 640, 3), shade, np.uint8)}


def doubted(*marks: Mark) -> bool:
    """Tell whether the last of a few inferences is to be checked."""
    repeats = Repeats()
    return [repeats.doubts(mark) for mark in marks][-1]


def test_the_same_outputs_of_another_image_are_stale() -> None:
    one = outputs()
    again = {name: array.copy() for name, array in one.items()}
    assert doubted(mark_of(image(1), one), mark_of(image(2), again))
    assert not doubted(mark_of(image(1), one), mark_of(image(1), again)), "the same image"


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
        assert not doubted(before, mark_of(image(2), other))


def test_little_is_kept_and_none_of_it_is_a_view() -> None:
    one = outputs()
    kept = mark_of(image(1), one).kept
    large = [name for name, shape in SHAPES.items() if len(shape) == 4]
    assert sum(kept[name].nbytes for name in large) * EACH <= 1.1 * sum(one[name].nbytes for name in large)
    assert all(array.base is None for array in kept.values())


def test_what_the_caller_writes_into_its_outputs_is_not_compared() -> None:
    """As one that makes probabilities of them where they are."""
    one = {"logits": np.ones((1, 5), np.float32)}
    before = mark_of(image(1), one)
    one["logits"] *= 0
    assert doubted(before, mark_of(image(2), {"logits": np.ones((1, 5), np.float32)}))


def test_a_constant_model_is_checked_ever_more_rarely_and_not_never() -> None:
    repeats, one = Repeats(), {"logits": np.ones(5)}
    repeats.doubts(Mark(0, one))
    checks = []
    for number in range(1, 3 * MOST_BELIEVED):
        mark = Mark(number, one)
        if repeats.doubts(mark):
            checks.append(number)
            repeats.checked(mark, confirmed=True)
    apart = np.diff(checks)
    assert checks[0] == 1 and apart[0] == FIRST_BELIEVED + 1 and len(checks) < 15
    assert (np.diff(apart) >= 0).all() and apart[-1] == MOST_BELIEVED + 1


def test_outputs_that_come_again_for_longer_than_ever_before_are_checked() -> None:
    """What was confirmed once says nothing of a runtime that gets stuck later, and one that lied is not believed."""
    repeats, one, other = Repeats(), {"logits": np.ones(5)}, {"logits": np.zeros(5)}
    repeats.doubts(Mark(1, one))
    assert repeats.doubts(Mark(2, one))
    repeats.checked(Mark(2, one), confirmed=True)
    for number in range(3, 1000):
        assert not repeats.doubts(Mark(number, one if number // 4 % 2 else other)), "four in a row are believed"
    doubts = [repeats.doubts(Mark(number, one)) for number in range(1000, 1020)]
    assert doubts.index(True) <= FIRST_BELIEVED + 1
    repeats.checked(Mark(1020, other), confirmed=False)
    for number in range(1021, 1026):
        repeats.doubts(Mark(number, one))
        assert repeats.doubts(Mark(-number, one)), "at once, and a few times"
        repeats.checked(Mark(-number, one), confirmed=True)
    assert not repeats.doubts(Mark(2000, one))
