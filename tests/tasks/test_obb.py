"""Turned boxes: overlap and suppression as ultralytics', corners where they were put, written, read and drawn."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import needs_torch
from yolorknn import Detections, draw
from yolorknn.image import Letterbox
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Quantized, floats
from yolorknn.tasks.drawing import colour
from yolorknn.tasks.known import TASKS, showing
from yolorknn.tasks.rotated import FEW, corners_of, overlaps, rotated_nms
from yolorknn.tasks.task import Floats, Ints, Thresholds, Wording

OBB = TASKS["obb"]


def boxes(count: int, seed: int, spread: float = 100) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres, sides = rng.uniform(0, spread, (count, 2)), rng.uniform(1, 60, (count, 2))
    return np.hstack([centres, sides, rng.uniform(-4, 4, (count, 1))]).astype(np.float32)


def metadata(role: str = "angle", imgsz: tuple[int, int] = (64, 96)) -> ModelMetadata:
    outputs = tuple(Output(f"{name}{stride}", name, stride) for stride in (8, 16, 32) for name in ("box", "cls", role))
    return ModelMetadata(("ship", "car"), imgsz, "split", outputs, reg_max=1, task="obb")


@needs_torch
def test_overlap_is_ultralytics() -> None:
    import torch
    from ultralytics.utils.metrics import batch_probiou

    one, other = boxes(60, 1), boxes(70, 2)
    one[:5] = other[:5]  # the same, thin, and without area
    one[5:8, 2], one[8:10, 2:4] = 0.01, 0
    theirs = batch_probiou(torch.from_numpy(one).double(), torch.from_numpy(other).double()).numpy()
    assert np.abs(overlaps(one, other) - theirs).max() < 1e-6


def fast_nms(found: Floats, confidence: Floats, class_id: Ints, iou: float) -> list[int]:
    """What ultralytics keeps, classes moved apart as it does it, in float64."""
    import torch
    from ultralytics.utils.metrics import batch_probiou
    from ultralytics.utils.nms import TorchNMS

    moved = torch.from_numpy(found).double()
    moved[:, :2] += torch.from_numpy(class_id * 7680)[:, None]
    kept = TorchNMS.fast_nms(moved, torch.from_numpy(confidence), iou, iou_func=batch_probiou)
    return [int(index) for index in kept]


@needs_torch
@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("iou", [0.2, 0.7])
def test_suppression_is_ultralytics(iou: float, agnostic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found = boxes(400, 3)
    rng = np.random.default_rng(4)
    confidence, class_id = rng.permutation(400).astype(np.float32) / 400, rng.integers(0, 3, 400)
    theirs = fast_nms(found, confidence, class_id * (not agnostic), iou)
    assert 10 < len(theirs) < 390
    for block in (1 << 20, 1000):
        monkeypatch.setattr("yolorknn.tasks.rotated.BLOCK", block)
        assert rotated_nms(found, confidence, None if agnostic else class_id, iou=iou).tolist() == theirs
    assert rotated_nms(found[:0], confidence[:0], class_id[:0], iou=iou).tolist() == []


@needs_torch
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(0, 60),
    spread=st.sampled_from([10.0, 100.0, 2000.0]),
    sides=st.sampled_from([(0.01, 0.4), (0.3, 8.0), (4.0, 40.0), (1.0, 600.0)]),
    classes=st.sampled_from([1, 2, 15]),
    iou=st.sampled_from([0.0, 0.05, 0.45, 0.7, 0.95, 1.0]),
)
def test_what_is_not_compared_could_not_suppress(
    *, seed: int, count: int, spread: float, sides: tuple[float, float], classes: int, iou: float
) -> None:
    """Boxes of all sizes, scattered and as clusters that nearly agree."""
    rng = np.random.default_rng(seed)
    first = np.hstack([rng.uniform(0, spread, (count, 2)), rng.uniform(*sides, (count, 2)), rng.random((count, 1)) * 3])
    near = first[rng.integers(0, max(count, 1), 4 * count)]
    near[:, :4] += rng.normal(0, 0.1, (len(near), 4)) * near[:, 2:4].min(axis=1, keepdims=True)
    near[:, 4] += rng.normal(0, 0.1, len(near))
    near[:, 2:4] = near[:, 2:4].clip(*sides)
    found = np.concatenate([first, near]).astype(np.float32)
    confidence = rng.permutation(len(found)).astype(np.float32)
    class_id = rng.integers(0, classes, len(found))
    assert rotated_nms(found, confidence, class_id, iou=iou).tolist() == fast_nms(found, confidence, class_id, iou)


@needs_torch
@pytest.mark.parametrize("classes", [1, 3])
def test_every_pair_is_compared(classes: int) -> None:
    """Of boxes far apart two lie alike: the first two, the last two, the first and the last."""
    for count in (2, 3, 33, FEW, FEW + 1):
        for one, other in ((0, 1), (count - 2, count - 1), (0, count - 1)):
            found = np.array([[100 * number, 0, 40, 9, 0.5] for number in range(count)], np.float32)
            found[other] = found[one]
            confidence, class_id = np.arange(count, 0, -1, np.float32) / count, np.arange(count) % classes
            class_id[other] = class_id[one]
            kept = rotated_nms(found, confidence, class_id, iou=0.7).tolist()
            assert kept == [number for number in range(count) if number != other]
            assert kept == fast_nms(found, confidence, class_id, 0.7)


@needs_torch
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("iou", [0.05, 0.45, 0.7, 0.9])
@pytest.mark.parametrize("angle", [0, 0.5, math.pi / 2])
def test_two_at_the_limit(iou: float, angle: float, axis: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alike and side by side, as far apart as the bound allows; and without area, which overlap wherever they are."""
    monkeypatch.setattr("yolorknn.tasks.rotated.MANY", 0)

    def side_by_side(way: float) -> Floats:
        found = np.array([[0, 0, 40, 9, angle]] * 3, np.float32)
        found[:, axis] = 0, way, 9000
        return found

    near, far = 0.0, 400.0
    for _ in range(30):
        way = (near + far) / 2
        near, far = (way, far) if overlaps(*np.split(side_by_side(way)[:2], 2))[0, 0] > iou else (near, way)
    confidence, class_id = np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int64)
    for way, kept in ((near * 0.9999, [0, 2]), (far * 1.0001, [0, 1, 2])):
        for found in (side_by_side(way), side_by_side(-way)):
            assert rotated_nms(found, confidence, class_id, iou=iou).tolist() == kept
            assert fast_nms(found, confidence, class_id, iou) == kept
    points = side_by_side(400) * np.array([1, 1, 0, 0, 1], np.float32)
    kept = rotated_nms(points, confidence, class_id, iou=iou).tolist()
    assert kept == [0] == fast_nms(points, confidence, class_id, iou)


def test_corners_are_opencvs() -> None:
    for box in boxes(50, 5):
        x, y, width, height, angle = (float(value) for value in box)
        theirs = cv2.boxPoints(((x, y), (width, height), math.degrees(angle)))
        (ours,) = corners_of(box[None])
        assert np.array_equal(ours, corners_of(np.asfortranarray(np.stack([box, box])))[1])
        off = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
        assert off.min(axis=1).max() < 1e-3
        assert np.allclose(np.linalg.norm(ours - np.roll(ours, 1, axis=0), axis=1), [width, height] * 2)


@pytest.mark.parametrize("role", ["angle", "radians"])
@pytest.mark.parametrize("end_to_end", [False, True])
def test_boxes_are_where_they_were_put(role: str, end_to_end: bool) -> None:
    """One box 16 x 48 pixels, its centre 8 pixels along its own side from the anchor, turned by a sixth of a circle."""
    facts = replace(metadata(role), end_to_end=end_to_end)
    outputs = [np.zeros(shape, np.float32) for shape in OBB.shapes(facts).values()]
    box, cls, angle = outputs[:3]
    box[0, :, 4, 6], cls[0, 1, 4, 6] = (0, 3, 2, 3), 0.9
    angle[0, 0, 4, 6] = math.pi / 3 if role == "radians" else 1 / 3 + 0.25
    found = OBB.decode(outputs, facts, Thresholds(), Letterbox((64, 96), (64, 96), 0, 0))
    assert found.class_id.tolist() == [1] and found.xyxyxyxy is not None and showing(found) is OBB
    along = np.array([math.cos(math.pi / 3), math.sin(math.pi / 3)])
    across = np.array([-along[1], along[0]])
    centre = np.array([52, 36]) + 8 * along
    expected = [centre + 8 * a * along + 24 * b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    assert np.allclose(found.xyxyxyxy[0], expected, atol=1e-3)
    points = np.array(expected)
    upright = [*points.min(axis=0), *points.max(axis=0)]
    assert np.allclose(found.xyxy[0], np.clip(upright, 0, [96, 64, 96, 64]), atol=1e-3)


@pytest.mark.parametrize("role", ["angle", "radians"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_angle_changes_no_other_box(role: str, value: float) -> None:
    facts = metadata(role)
    found = []
    for odd in (0, value):
        outputs = [np.zeros(shape, np.float32) for shape in OBB.shapes(facts).values()]
        for column, confidence in ((3, 0.9), (4, 0.8), (9, 0.95)):
            outputs[0][0, :, 4, column], outputs[1][0, 1, 4, column] = (2, 2, 2, 2), confidence
        outputs[2][0, 0, 4, 9] = odd
        found.append(OBB.decode(outputs, facts, Thresholds(iou=0.3), Letterbox((64, 96), (64, 96), 0, 0)))
    assert found[0].confidence.tolist() == found[1].confidence.tolist() and len(found[0]) == 2
    assert found[1].xyxyxyxy is not None and np.isfinite(found[1].xyxyxyxy).all()
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("value", [np.inf, 3e38, 6e4])
def test_an_endless_box_can_be_drawn(value: float) -> None:
    """Where distances are numbers, as YOLO26 says them, float16 may make one of them endless."""
    facts = metadata("radians")
    outputs = [np.zeros(shape, np.float32) for shape in OBB.shapes(facts).values()]
    outputs[0][0, :, 4, 3], outputs[1][0, 1, 4, 3], outputs[2][0, 0, 4, 3] = (1, value, value, 2), 0.9, 0.3
    found = OBB.decode(outputs, facts, Thresholds(), Letterbox((640, 960), (64, 96), 0, 0))
    assert len(found) == 1 and draw(np.zeros((640, 960, 3), np.uint8), found, facts.names).any()


def test_int8_is_decoded_as_what_it_stands_for() -> None:
    facts = metadata(imgsz=(160, 160))
    numbers = [Quantized(np.clip(array / scale - 3, -128, 127).round().astype(np.int8), scale, -3)
               for array in OBB.scene(facts) for scale in [float(np.abs(array).max()) / 120]]  # fmt: skip
    placed = Letterbox.fit((100, 170), (160, 160))
    found = OBB.decode(numbers, facts, Thresholds(), placed)
    assert len(found) > 3 and found == OBB.decode([floats(array) for array in numbers], facts, Thresholds(), placed)


def test_boxes_too_thin_to_be_compared_are_kept_without_a_warning() -> None:
    thin = np.array([[0, 0, 8.2e5, 1.5e-3, -0.9], [0, 0, 2.7e7, 2e-3, -0.2], [0, 0, 4.6e7, 0.111, 1.9]] * 2, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = rotated_nms(thin, np.full(6, 0.9, np.float32), None, iou=0.5)
    assert kept.tolist() == [0, 1, 2, 3, 4, 5]


def test_records_are_read_back() -> None:
    corners = corners_of(boxes(3, 6)).round(2)
    xyxy = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    found = Detections(xyxy, np.array([0.9, 0.5, 0.25]), np.array([0, 1, 1]), xyxyxyxy=corners)
    records = OBB.record(found, Wording({0: "ship", 1: "car"}))
    assert OBB.read(records) == found and len(OBB.read([])) == 0
    supervision = pytest.importorskip("supervision")
    assert isinstance(found.to_supervision(), supervision.Detections)


def test_turned_boxes_are_drawn() -> None:
    corners = np.array([[[50, 10], [90, 50], [50, 90], [10, 50]]])
    found = Detections(np.array([[10, 10, 90, 90]]), np.array([0.9]), np.array([0]), xyxyxyxy=corners)
    drawn = draw(np.zeros((100, 100, 3), np.uint8), found, ["ship"])
    assert tuple(drawn[70, 70]) == colour(0) and not drawn[88, 12].any() and not drawn[50, 50].any()
