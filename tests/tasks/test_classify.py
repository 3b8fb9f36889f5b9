"""Classes of whole images: the softmax, how images are laid into the input, written, read and drawn."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from yolorknn import Classification, Detections, draw
from yolorknn.image import Letterbox
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import Quantized
from yolorknn.tasks.crop import CropCanvas
from yolorknn.tasks.drawing import colour
from yolorknn.tasks.known import TASKS, showing
from yolorknn.tasks.task import Thresholds, Wording

CLASSIFY = TASKS["classify"]
NAMES = tuple(f"n{number}" for number in range(7))
FACTS = ModelMetadata(NAMES, (32, 32), "split", (Output("logits", "logits", 0),), task="classify")
PLACED = Letterbox((1, 1), (1, 1), 0, 0)
LONG = [(7, 100), (2000, 3), (90, 5000), (1001, 100)]


def test_probabilities_are_the_softmax() -> None:
    logits = np.array([3, -2, 0.5, 88, 88.5, -1000, 3], np.float32)
    found = CLASSIFY.decode([logits.reshape(1, 7, 1, 1)], FACTS, Thresholds(conf=0.9), PLACED)
    assert found.class_id.tolist() == [4, 3, 0, 6, 2, 1, 5], "equals in the order of their ids"
    expected = np.exp(logits.astype(float) - 88.5) / np.exp(logits.astype(float) - 88.5).sum()
    assert np.allclose(found.confidence, expected[found.class_id]) and found.confidence.sum() == pytest.approx(1)
    quantized = Quantized(np.array([0, 1, 2, 3, 4, 5, 6], np.int8).reshape(1, 7, 1, 1), 0.5, 3)
    assert CLASSIFY.decode([quantized], FACTS, Thresholds(), PLACED).class_id.tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert showing(found) is CLASSIFY and showing(Detections.empty()) is TASKS["detect"]


@pytest.mark.parametrize("size", [(64, 64), (100, 64), (64, 99), (480, 640), (720, 1280), (333, 97), (40, 500), *LONG])
def test_images_are_cropped_as_torchvision_crops(size: tuple[int, int]) -> None:
    """Within what PIL's averaging differs from OpenCV's."""
    transforms = pytest.importorskip("torchvision.transforms")
    from PIL import Image

    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (9, 11, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    theirs = np.asarray(transforms.CenterCrop(64)(transforms.Resize(64)(Image.fromarray(image))))
    canvas = CropCanvas((64, 64))
    placed = canvas.fill(image[..., ::-1].copy())
    assert min(placed.resized) == 64 and placed.left <= 0 and placed.top <= 0
    off = np.abs(canvas.pixels.astype(int) - theirs)
    assert off.mean() < (2 if min(size) != 64 else 1e-9)
    shifted = np.abs(np.roll(canvas.pixels, 1, axis=1).astype(int) - theirs).mean()
    assert off.mean() < shifted / 2, "not a pixel beside"


def test_an_image_of_one_row_fills_no_memory() -> None:
    """Enlarged as a whole it would have 64 rows of 1280000 pixels."""
    image = np.repeat(np.arange(20000) % 50 * 5, 3).reshape(1, 20000, 3).astype(np.uint8)
    for turned in (image, image.transpose(1, 0, 2)):
        canvas = CropCanvas((64, 64))
        tracemalloc.start()
        placed = canvas.fill(turned)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
        assert max(placed.resized) == 64 * 20000
        seen = canvas.pixels if turned is image else canvas.pixels.transpose(1, 0, 2)
        middle = image[0, 9999:10001, 0].astype(int)
        assert abs(int(seen[:, :1].max()) - middle[0]) <= 5 and abs(int(seen[:, -1:].min()) - middle[1]) <= 5


def test_where_sides_differ_the_image_is_stretched() -> None:
    canvas = CropCanvas((32, 64))
    assert canvas.fill(np.zeros((50, 50, 3), np.uint8)) == Letterbox((50, 50), (32, 64), 0, 0)


def test_a_side_that_shrinks_is_averaged_where_the_other_grows() -> None:
    """Ten rows in turn black and white are grey, however narrow the image is."""
    image = np.zeros((640, 40, 3), np.uint8)
    image[::2] = 255
    canvas = CropCanvas((64, 96))
    canvas.fill(image)
    assert np.abs(canvas.pixels.astype(int) - 128).max() <= 1


def test_values_are_typed_and_frozen() -> None:
    found = Classification(np.array([2, 0, 1]), np.array([0.5, 0.3, 0.2]))
    assert found.class_id.dtype == np.int64 and found.confidence.dtype == np.float32 and len(found) == 3
    assert list(found.top(1)) == [(2, 0.5)] and found == found.top(9) and found != found.top(2) and found != "classes"
    with pytest.raises(ValueError, match="read-only"):
        found.confidence[0] = 1
    with pytest.raises(ValueError, match="needs class_id"):
        Classification(np.zeros(2, np.int64), np.zeros(3, np.float32))
    supervision = pytest.importorskip("supervision")
    assert isinstance(found.to_supervision(), supervision.Classifications)


def test_records_have_the_first_five() -> None:
    found = CLASSIFY.decode(CLASSIFY.scene(FACTS), FACTS, Thresholds(), PLACED)
    records = CLASSIFY.record(found, Wording.of(FACTS))
    assert len(records) == 5 and records[0]["name"] == NAMES[found.class_id[0]]
    read = CLASSIFY.read(records)
    assert read.class_id.tolist() == found.class_id[:5].tolist()
    assert read.confidence == pytest.approx(found.confidence[:5], abs=1e-4)


def test_classes_are_written_into_the_corner() -> None:
    found = Classification(np.array([2, 0]), np.array([0.6, 0.4]))
    drawn = draw(np.zeros((60, 200, 3), np.uint8), found, NAMES)
    assert tuple(drawn[1, 0]) == colour(2) and not drawn[59].any()
    draw(np.zeros((3, 2, 3), np.uint8), found, NAMES)
