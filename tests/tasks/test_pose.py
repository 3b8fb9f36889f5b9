"""Keypoints: where the formula says, written and read by name, and drawn."""

from __future__ import annotations

import numpy as np
import pytest

from yolorknn import Detections, MetadataError, draw
from yolorknn.image import Letterbox
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Quantized, floats
from yolorknn.tasks.drawing_points import FACE
from yolorknn.tasks.known import TASKS, showing
from yolorknn.tasks.task import Thresholds, Wording

POSE = TASKS["pose"]
NAMES = ("head", "tail")


def metadata(imgsz: tuple[int, int], *, seen: bool = True, keypoints: tuple[str, ...] = NAMES) -> ModelMetadata:
    roles = ("box", "cls", "keypoints", *(("visibility",) if seen else ()))
    outputs = tuple(Output(f"{role}{stride}", role, stride) for stride in (8, 16, 32) for role in roles)
    return ModelMetadata(("fish",), imgsz, "split", outputs, reg_max=1, task="pose", keypoints=keypoints)


@pytest.mark.parametrize("seen", [True, False])
def test_keypoints_are_where_they_were_put(seen: bool) -> None:
    facts = metadata((64, 96), seen=seen)
    outputs = [np.zeros(shape, np.float32) for shape in POSE.shapes(facts).values()]
    per = 4 if seen else 3
    for number, (row, column, ways, logits) in enumerate(
        [(3, 5, (0.5, -1.25, 2, 3), (0, 3)), (1, 4, (-1, 0, 0.25, 0), (-200, 1))]
    ):
        box, cls, points, *visibility = outputs[number * per : number * per + per]
        box[0, :, row, column], cls[0, 0, row, column] = 1, 0.9 - 0.1 * number
        points[0, :, row, column] = ways
        for values in visibility:
            values[0, :, row, column] = logits
    found = POSE.decode(outputs, facts, Thresholds(), Letterbox((32, 48), (64, 96), 0, 0))
    assert found.keypoints is not None and found.keypoints.shape == (2, 2, 3)
    expected = [[[24, 9], [30, 26]], [[28, 12], [38, 12]]]  # half of (centre + way) * stride
    assert found.keypoints[..., :2].tolist() == expected
    sure = 1 / (1 + np.exp(-np.array([[0.0, 3.0], [-200.0, 1.0]])))
    assert np.allclose(found.keypoints[..., 2], sure if seen else 1)
    assert showing(found) is POSE
    cut = POSE.decode(outputs, facts, Thresholds(), Letterbox((20, 48), (40, 96), 0, 0)).keypoints
    assert cut is not None and cut[..., 1].max() == 20, "clipped to the image, as ultralytics does"


def test_int8_is_decoded_as_what_it_stands_for() -> None:
    facts = metadata((160, 160))
    numbers = [Quantized(np.clip(array / scale - 3, -128, 127).round().astype(np.int8), scale, -3)
               for array in POSE.scene(facts) for scale in [float(np.abs(array).max()) / 120]]  # fmt: skip
    placed = Letterbox.fit((100, 170), (160, 160))
    found = POSE.decode(numbers, facts, Thresholds(), placed)
    assert len(found) > 3 and found == POSE.decode([floats(array) for array in numbers], facts, Thresholds(), placed)


def people(count: int = 17) -> Detections:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(10, 90, (2, count, 2)), np.ones((2, count, 1))], axis=2).round(2)
    return Detections(
        np.array([[5, 5, 95, 95], [1, 2, 3, 4]]), np.array([0.9, 0.5]), np.array([0, 0]), keypoints=points
    )


def test_records_name_the_keypoints() -> None:
    found, names = people(2), Wording({0: "fish"}, NAMES)
    records = POSE.record(found, names)
    assert found.keypoints is not None and records[0]["keypoints"]["tail"] == pytest.approx(found.keypoints[0, 1])
    assert POSE.read(records) == found and len(POSE.read([])) == 0
    with pytest.raises(MetadataError, match="two keypoints have one name"):
        metadata((64, 64), keypoints=("a", "a"))


@pytest.mark.parametrize("count", [1, 17, 40])
def test_visible_keypoints_are_drawn(count: int) -> None:
    found = people(count)[0]
    assert found.keypoints is not None
    blank = np.zeros((100, 100, 3), np.uint8)
    x, y = found.keypoints[0, 0, :2].round().astype(int)
    assert draw(blank, found, ["fish"])[y, x].any()
    hidden = Detections(found.xyxy, found.confidence, found.class_id, keypoints=found.keypoints * (1, 1, 0.2))
    boxes = Detections(found.xyxy, found.confidence, found.class_id)
    assert np.array_equal(draw(blank, hidden, ["fish"]), draw(blank, boxes, ["fish"]))
    if count == 17:
        assert tuple(draw(blank, found, ["fish"])[y, x]) == FACE[::-1]


def test_metadata_goes_through_json() -> None:
    facts = metadata((64, 64))
    assert ModelMetadata.from_json(facts.to_json()) == facts
