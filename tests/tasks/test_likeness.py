"""What two runs say of the same objects: alike where little is changed, and each thing by itself where it is wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.broken import BROKEN, EXTRAS, broken, facts, outputs_of
from yolorknn import Classification, Detections
from yolorknn.image import Letterbox
from yolorknn.tasks.agreement import Agreement, agreement, table, total, unlike
from yolorknn.tasks.known import TASKS
from yolorknn.tasks.task import Thresholds

WHAT = {"detect": [], "segment": ["masks"], "pose": ["keypoints", "visibilities"], "obb": ["corners"],
        "classify": ["probabilities"]}  # fmt: skip


def found(task: str, outputs: dict[str, NDArray[Any]]) -> Any:
    size = facts(task).imgsz
    return TASKS[task].decode(list(outputs.values()), facts(task), Thresholds(), Letterbox.fit(size, size))


@pytest.mark.parametrize("task", TASKS)
def test_what_is_rounded_is_alike(task: str) -> None:
    exact, rng = outputs_of(task), np.random.default_rng(0)
    near = {name: array + (rng.normal(0, 0.01, array.shape) * (array != 0)).astype(np.float32)
            for name, array in exact.items()}  # fmt: skip
    one, other = found(task, exact), found(task, near)
    row = agreement("a.jpg", one, other)
    assert row.share == 1 and [each.what for each in row.also] == WHAT[task]
    assert all(each.share == 1 and len(each.values) == row.expected for each in row.also)
    assert unlike([row], 1.0) is None
    for each in agreement("a.jpg", one, one).also:
        assert max(each.excess) < 1e-6 and each.worst == pytest.approx(float(each.measure == "IoU"), abs=1e-6)


@pytest.mark.parametrize("what", BROKEN)
def test_one_thing_that_is_wrong_is_named_and_where(what: str) -> None:
    task = BROKEN[what][0]
    good, bad = found(task, outputs_of(task)), found(task, broken(what))
    rows = [agreement("good.jpg", good, good), agreement("bad.jpg", good, bad), agreement("more.jpg", good, good)]
    every = total(rows)
    assert every.share == 1, "the boxes are right"
    assert {each.what: each.alike < len(each.values) for each in every.also} == {
        each: each == what for each in WHAT[task]
    }
    differing = unlike(rows, 0.8)
    count = len(every.also[0].values)
    assert differing is not None and differing.what == what
    assert differing.told.startswith(f"those of {count // 3} of {count} ") and differing.told.endswith(" in bad.jpg")
    shown = [line.split() for line in table(rows, names=("PC", "board")).splitlines()]
    assert what in shown[0] and len(shown) == 5


def test_numbers_are_what_they_are_called() -> None:
    """A mask of half, keypoints 3 and 4 pixels off of which one is unseen, corners by the diagonal of a unit square."""
    box = np.array([[0, 0, 20, 20]], np.float32)
    plain: dict[str, Any] = {"xyxy": box, "confidence": np.ones(1), "class_id": np.zeros(1)}
    mask = np.zeros((1, 20, 20), np.bool_)
    mask[0, :10] = True
    (masks,) = TASKS["segment"].likeness(Detections(**plain, mask=mask), Detections(**plain, mask=np.ones_like(mask)))
    assert masks.values == (0.5,) and masks.share == 0 and masks.told(masks.worst) == "0.500"
    points = np.array([[[5, 5, 1], [9, 9, 0]]], np.float32)
    moved = points + np.array([[3, 4, -0.1], [70, 70, 0.2]], np.float32)
    way, seen = TASKS["pose"].likeness(Detections(**plain, keypoints=points), Detections(**plain, keypoints=moved))
    assert way.values == pytest.approx([5]) and way.share == 0 and way.told(way.worst) == "by 5.0 px"
    assert seen.values == pytest.approx([0.15]) and seen.share == 1 and seen.told(seen.worst) == "by 0.150"
    corners = np.array([[[20, 20], [20, 0], [0, 0], [0, 20]]], np.float32)
    turned = np.roll(corners, 2, axis=1) + np.float32(1)
    (off,) = TASKS["obb"].likeness(Detections(**plain, xyxyxyxy=corners), Detections(**plain, xyxyxyxy=turned))
    assert off.values == pytest.approx([2**0.5]) and off.share == 1, "turned by half a circle it is the same box"
    one = Classification(np.array([2, 0, 1]), np.array([0.7, 0.2, 0.1]))
    for other, expected in (
        (Classification(np.array([2, 0]), np.array([0.7, 0.2])), 0),
        (Classification(np.array([2]), np.array([0.4])), 0.3),
        (Classification(np.array([1, 2]), np.array([0.5, 0.3])), 0.4),
        (Classification(np.array([1]), np.array([0.15])), 0.55),
    ):
        (share,) = TASKS["classify"].likeness(one, other)
        assert share.values == pytest.approx([expected]), "the others have no more than what was left out"


def test_what_cannot_be_laid_over_one_another_is_unlike() -> None:
    masks, points = found("segment", outputs_of("segment")), found("pose", outputs_of("pose"))
    for what, one, other in (
        ("masks", masks, dataclasses.replace(masks, mask=np.ones((3, 1, 1), np.bool_))),
        ("keypoints", points, dataclasses.replace(points, keypoints=points.keypoints[:, :2])),
    ):
        differing = unlike([agreement("a.jpg", one, other)], 1.0)
        assert differing is not None and differing.what == what


def test_an_image_without_objects_says_nothing() -> None:
    for task in EXTRAS:
        if task != "classify":
            nothing = {name: np.zeros_like(array) for name, array in outputs_of(task).items()}
            rows = [agreement("a.jpg", found(task, nothing), found(task, outputs_of(task)))]
            assert rows[0].also == () and unlike(rows, 1.0) is None and rows[0].share == 0
    assert total([]) == Agreement("all 0 images", 0, 0, (), ())
