"""What views show is merged: each object once, whatever borders cut it, with its mask, keypoints and corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from yolorknn import Detections
from yolorknn.stream.tiled import Tiling
from yolorknn.tasks.merging import merge
from yolorknn.tasks.overlap import Outlines
from yolorknn.tasks.rotated import corners_of
from yolorknn.tasks.views import View

Array = NDArray[np.float64]
WHOLE = View(0, 0, 400, 200)
LEFT, RIGHT = View(0, 0, 240, 200), View(160, 0, 400, 200)
COARSE = 20.0


def boxes(*rows: tuple[float, ...], class_id: Sequence[int] = ()) -> Detections:
    """Return detections of rows x1, y1, x2, y2, confidence."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], np.array(class_id or [0] * len(table)))


NONE = boxes()


def merged(whole: Detections, left: Detections, right: Detections, *, agnostic: bool = False) -> list[list[int]]:
    found = merge([WHOLE, LEFT, RIGHT], [whole, left, right], size=(200, 400), coarse=COARSE, agnostic=agnostic)
    assert found.confidence.tolist() == sorted(found.confidence.tolist(), reverse=True)
    return [[*box.round().astype(int).tolist(), class_id] for box, _, class_id in found]


def iou(one: Array, other: Array) -> float:
    shared = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None).prod()
    return float(shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared))


def scattered(rng: np.random.Generator, size: tuple[int, int], count: int) -> Array:
    """Return boxes of all sizes, 10 pixels apart at least."""
    objects: list[Array] = []
    for _ in range(50 * count):
        sides = np.exp(rng.uniform(np.log(14), np.log(1200), 2))
        start = rng.uniform(0, 1, 2) * (np.array(size[::-1]) - sides)
        box = np.concatenate([start, start + sides])
        apart = all((box[:2] > other[2:] + 10).any() or (other[:2] > box[2:] + 10).any() for other in objects)
        if start.min() >= 0 and apart and len(objects) < count:
            objects.append(box)
    return np.array(objects).reshape(-1, 4)


def shown(objects: Array, view: View, least: float, rng: np.random.Generator) -> Detections:
    """Return what a model that errs in nothing but its confidence finds in a view: parts too, if not too small."""
    inside = np.clip(objects, [view.x1, view.y1] * 2, [view.x2, view.y2] * 2)
    large = inside[((inside[:, 2:] - inside[:, :2]) >= least).all(axis=1)]
    rows = large - np.array([view.x1, view.y1] * 2)
    return boxes(*np.hstack([rows, rng.uniform(0.3, 0.95, (len(rows), 1))]).tolist())


@settings(max_examples=80, deadline=None)
@example(seed=2171, size=(1591, 2303), side=137, overlap=0.0, count=8)
@example(seed=810405, size=(2088, 1940), side=132, overlap=0.5, count=12)
@given(
    seed=st.integers(0, 10**6),
    size=st.tuples(st.integers(300, 2400), st.integers(300, 2400)),
    side=st.integers(100, 700),
    overlap=st.sampled_from([0.0, 0.1, 0.2, 0.5]),
    count=st.integers(0, 12),
)
def test_objects_that_views_show_exactly_are_found_exactly_once(
    seed: int, size: tuple[int, int], side: int, overlap: float, count: int
) -> None:
    rng = np.random.default_rng(seed)
    objects = scattered(rng, size, count)
    scale = max(size) / side
    whole, *tiles = Tiling((side, side), overlap).views(size)
    found = [shown(objects, whole, 6 * max(scale, 1), rng), *(shown(objects, view, 5, rng) for view in tiles)]
    result = merge([whole, *tiles], found, size=size, coarse=16 * scale)
    assert len(result) == len(objects)
    for box in objects:  # 5 pixels of it may lie in a tile that does not show them
        assert max(iou(box, other) for other in result.xyxy.astype(float)) > 0.4


def test_what_two_tiles_and_the_whole_show_is_one_and_the_most_confident_box_is_taken() -> None:
    left, right = boxes((170, 50, 200, 90, 0.6)), boxes((11, 51, 41, 91, 0.9))
    assert merged(boxes((169, 48, 203, 93, 0.7)), left, right) == [[171, 51, 201, 91, 0]]


def test_an_object_across_a_border_is_the_box_around_its_parts() -> None:
    left, right = boxes((100, 50, 239, 90, 0.8)), boxes((0, 51, 140, 91, 0.6))
    assert merged(NONE, left, right) == [[100, 50, 300, 91, 0]]


def test_a_part_goes_where_the_whole_image_shows_the_whole_object() -> None:
    whole = boxes((100, 50, 302, 92, 0.5))
    assert merged(whole, boxes((100, 50, 239, 90, 0.8)), boxes((0, 51, 140, 91, 0.6))) == [[100, 50, 302, 92, 0]]


def test_neighbours_on_both_sides_of_a_border_stay_two() -> None:
    left, right = boxes((100, 20, 238, 60, 0.8)), boxes((2, 120, 100, 160, 0.7))
    assert len(merged(NONE, left, right)) == 2


def test_two_that_one_view_shows_stay_two_where_the_other_shows_both() -> None:
    left = boxes((170, 50, 200, 90, 0.9), (180, 50, 210, 90, 0.8))
    right = boxes((10, 50, 40, 90, 0.8), (20, 50, 50, 90, 0.7))
    assert len(merged(NONE, left, right)) == 2


def test_a_double_that_the_other_tile_does_not_show_goes() -> None:
    left = boxes((170, 50, 200, 90, 0.9), (170, 42, 200, 94, 0.8))
    assert merged(NONE, left, boxes((10, 50, 40, 90, 0.6))) == [[170, 50, 200, 90, 0]]


def test_a_small_box_of_the_whole_image_stays_only_where_no_tile_shows_more() -> None:
    whole = boxes((20, 20, 44, 38, 0.9), (300, 100, 318, 116, 0.4))
    two = boxes((20, 20, 32, 38, 0.5), (32, 20, 44, 38, 0.6))
    assert merged(whole, two, NONE) == [[32, 20, 44, 38, 0], [20, 20, 32, 38, 0], [300, 100, 318, 116, 0]]


def test_a_class_is_not_another() -> None:
    """Of one object that two tiles give two classes, the more confident; of two that both give it, both."""
    ball, ring = boxes((170, 50, 200, 90, 0.6), class_id=[0]), boxes((10, 50, 40, 90, 0.9), class_id=[1])
    assert merged(NONE, ball, ring) == [[170, 50, 200, 90, 1]]
    both = boxes((170, 50, 200, 90, 0.6), (170, 50, 200, 90, 0.5), class_id=[0, 1])
    again = boxes((10, 50, 40, 90, 0.4), (10, 50, 40, 90, 0.3), class_id=[1, 0])
    assert len(merged(NONE, both, ring)) == 1 and len(merged(NONE, both, again)) == 2 == len(merged(NONE, both, NONE))
    large, small = boxes((170, 50, 230, 90, 0.6), class_id=[0]), boxes((10, 50, 60, 90, 0.9), class_id=[1])
    assert len(merged(NONE, large, small, agnostic=True)) == 1


def test_no_more_than_max_det_the_most_confident() -> None:
    left = boxes(*[(10 + 30 * number, 50, 30 + 30 * number, 80, 0.3 + number / 10) for number in range(5)])
    found = merge([WHOLE, LEFT, RIGHT], [NONE, left, NONE], size=(200, 400), coarse=COARSE, max_det=2)
    assert found.confidence.tolist() == pytest.approx([0.7, 0.6])


def test_nothing_is_what_the_whole_image_shows() -> None:
    empty = replace(NONE, mask=np.zeros((0, 200, 400), np.bool_))
    tile = replace(NONE, mask=np.zeros((0, 200, 240), np.bool_))
    found = merge([WHOLE, LEFT, RIGHT], [empty, tile, tile], size=(200, 400), coarse=COARSE)
    assert found.mask is not None and found.mask.shape == (0, 200, 400)


def test_masks_of_parts_are_joined_and_lie_in_the_image() -> None:
    drawn = np.zeros((200, 400), np.uint8)
    cv2.ellipse(drawn, (200, 100), (120, 40), 10, 0, 360, (1,), -1)
    truth = drawn.astype(bool)
    found = []
    for view in (WHOLE, LEFT, RIGHT):
        part = truth[view.y1 : view.y2, view.x1 : view.x2]
        ys, xs = part.nonzero()
        row = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, 0.8)
        one = boxes() if view is WHOLE else boxes(row)
        mask = part[None] if len(one) else np.zeros((0, *part.shape), np.bool_)
        found.append(replace(one, mask=mask))
    result = merge([WHOLE, LEFT, RIGHT], found, size=(200, 400), coarse=COARSE)
    assert result.mask is not None and len(result) == 1
    assert (result.mask[0] == truth).all()


@pytest.mark.parametrize("visibility", [(0.9, 0.1), (1.0, 1.0)], ids=["with", "without visibility"])
def test_keypoints_are_those_of_the_part_that_shows_them(visibility: tuple[float, float]) -> None:
    """A keypoint beyond a tile is clipped to its border, with low visibility if the model says so."""
    yes, no = visibility
    left = np.array([[[110, 70, yes], [240, 80, no]]], np.float32)
    right = np.array([[[0, 60, no], [130, 80, yes]]], np.float32)
    found = [
        replace(NONE, keypoints=np.zeros((0, 2, 3), np.float32)),
        replace(boxes((100, 50, 239, 90, 0.8)), keypoints=left),
        replace(boxes((0, 51, 140, 91, 0.6)), keypoints=right),
    ]
    result = merge([WHOLE, LEFT, RIGHT], found, size=(200, 400), coarse=COARSE)
    assert result.keypoints is not None
    assert result.keypoints[0] == pytest.approx(np.array([[110, 70, yes], [290, 80, yes]]))


def turned(*rows: tuple[float, ...], view: View) -> Detections:
    """Return turned boxes of rows x, y, width, height, radians, confidence, in pixels of the image, as a view's."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    corners = corners_of(table[:, :5]) - np.array([view.x1, view.y1], np.float32)
    upright = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    xyxy = np.clip(upright, 0, [view.x2 - view.x1, view.y2 - view.y1] * 2)
    return Detections(xyxy, table[:, 5], np.zeros(len(table), np.int64), xyxyxyxy=corners)


def test_turned_boxes_are_compared_as_they_lie() -> None:
    """Two that cross have nearly the same upright box, and are two; two that lie alike are one."""
    left = turned((200, 100, 60, 8, 0.7, 0.9), (200, 100, 60, 8, -0.7, 0.8), view=LEFT)
    right = turned((201, 100, 60, 8, 0.72, 0.7), view=RIGHT)
    found = merge(
        [WHOLE, LEFT, RIGHT], [turned(view=WHOLE), left, right], size=(200, 400), coarse=COARSE, agnostic=True
    )
    assert found.confidence.tolist() == pytest.approx([0.9, 0.8])


def test_a_turned_box_across_a_border_is_the_turned_box_around_its_parts() -> None:
    left = turned((175, 92.5, 150, 20, 0.1, 0.9), view=LEFT)
    right = turned((225, 97.5, 150, 20, 0.1, 0.7), view=RIGHT)
    found = merge([WHOLE, LEFT, RIGHT], [turned(view=WHOLE), left, right], size=(200, 400), coarse=COARSE)
    assert found.xyxyxyxy is not None and len(found) == 1
    truth = corners_of(np.array([[200, 95, 200, 20, 0.1]], np.float32))[0]
    shared = cv2.intersectConvexConvex(found.xyxyxyxy[0], truth)[0]
    assert shared > 0.95 * 4000 and cv2.contourArea(found.xyxyxyxy[0]) < 1.1 * 4000


def test_overlap_of_turned_boxes_is_that_of_their_pixels() -> None:
    rng = np.random.default_rng(3)
    sides, centres = rng.uniform(30, 160, (40, 2)), rng.uniform(120, 200, (40, 2))
    corners = corners_of(np.hstack([centres, sides, rng.uniform(-3, 3, (40, 1))]).astype(np.float32))
    outlines = Outlines(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), corners)
    within = np.tile(np.array([100.0, 90, 230, 220]), (20, 1))
    got = outlines.iou_within(np.arange(20), np.arange(20, 40), within)
    for number, value in enumerate(got):
        drawn = [np.zeros((2000, 2000), np.uint8) for _ in range(2)]
        for canvas, which in zip(drawn, (number, number + 20), strict=True):
            cv2.fillConvexPoly(canvas, (corners[which] * 5 + 150).round().astype(np.int32), (1,))
        one, other = (canvas[90 * 5 + 150 : 220 * 5 + 150, 100 * 5 + 150 : 230 * 5 + 150] > 0 for canvas in drawn)
        assert value == pytest.approx((one & other).sum() / max(1, (one | other).sum()), abs=0.02)
