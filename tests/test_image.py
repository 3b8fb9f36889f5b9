from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import needs_torch
from yolorknn.image import Letterbox, decode_image, height_and_width, letterbox
from yolorknn.picture_size import webp_orientation

SIZES = [(480, 641), (1000, 1), (3, 4000), (1, 1), (640, 640), (641, 639), (1080, 1920), (427, 640), (2, 3)]
SIZES += [(1920, 1080), (1920, 1001), (3200, 300), (2560, 77), (1152, 1200)]  # 3, 5, 4 and 1 or 3 rows for one
SIZES += [(1152, 1920), (700, 4480), (3, 1920)]  # and as many columns
IMGSZ = [(640, 640), (384, 640), (320, 320), (32, 64)]


def noise(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


@pytest.mark.parametrize("imgsz", IMGSZ)
@pytest.mark.parametrize("size", SIZES)
def test_same_pixels_as_resize_and_border(size: tuple[int, int], imgsz: tuple[int, int]) -> None:
    image = noise(size)
    pixels, placed = letterbox(image, imgsz)
    height, width = placed.resized
    below, right = imgsz[0] - placed.top - height, imgsz[1] - placed.left - width
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    padded = cv2.copyMakeBorder(resized, placed.top, below, placed.left, right, cv2.BORDER_CONSTANT, value=(114,) * 3)
    assert np.array_equal(pixels, padded[..., ::-1])
    assert pixels.shape == (*imgsz, 3) and pixels.flags.c_contiguous
    assert 0 <= below - placed.top <= 1 and 0 <= right - placed.left <= 1


@needs_torch
@pytest.mark.parametrize("imgsz", IMGSZ)
@pytest.mark.parametrize("size", SIZES)
def test_same_pixels_as_ultralytics(size: tuple[int, int], imgsz: tuple[int, int]) -> None:
    from ultralytics.data.augment import LetterBox

    image = noise(size)
    pixels, _ = letterbox(image, imgsz)
    assert np.array_equal(pixels, LetterBox(imgsz, auto=False)(image=image)[..., ::-1])


@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    imgsz=st.sampled_from(IMGSZ),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
@settings(max_examples=400)
def test_undo_is_the_inverse(height: int, width: int, imgsz: tuple[int, int], corners: list[float]) -> None:
    """A point of the image goes to resized/source of the way across the picture, and undo brings it back."""
    placed = Letterbox.fit((height, width), imgsz)
    box = np.array(corners) * (width, height, width, height)
    across = np.array([placed.resized[1] / width, placed.resized[0] / height] * 2)
    inside = box * across + [placed.left, placed.top] * 2
    assert inside.min() >= 0 and (inside <= np.array([imgsz[1], imgsz[0]] * 2) * (1 + 1e-12)).all()
    assert placed.undo(inside[None])[0] == pytest.approx(box, abs=1e-3 * max(height, width) / 1000 + 1e-4)


@pytest.mark.parametrize("size", [(480, 641), (1000, 1), (3, 4000)])
def test_a_drawn_box_comes_back(size: tuple[int, int]) -> None:
    """The whole image is a box: its letterboxed picture maps back to the image's own corners, to the pixel."""
    _, placed = letterbox(noise(size), (640, 640))
    height, width = placed.resized
    picture = np.array([[placed.left, placed.top, placed.left + width, placed.top + height]], np.float32)
    assert placed.undo(picture).tolist() == [[0, 0, size[1], size[0]]]


def test_undo_clips_to_the_image() -> None:
    placed = Letterbox.fit((100, 200), (640, 640))
    assert placed.undo(np.array([[-50.0, -50, 9999, 9999]])).tolist() == [[0, 0, 200, 100]]


def test_the_input_is_not_written_to() -> None:
    for size in ((640, 640), (100, 50)):
        image = noise(size)
        image.flags.writeable = False
        before = image.copy()
        letterbox(image, (640, 640))
        assert np.array_equal(image, before)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        "bus.jpg",
        None,
    ],
)
def test_not_an_image(bad: object) -> None:
    with pytest.raises(ValueError, match=r"image"):
        letterbox(bad, (640, 640))  # type: ignore[arg-type]


def test_a_view_of_a_larger_image_works() -> None:
    image = noise((300, 400))
    view = image[10:200:2, 5:300]
    assert np.array_equal(letterbox(view, (320, 320))[0], letterbox(view.copy(), (320, 320))[0])


@pytest.mark.parametrize("form", ["webp", "png", "tiff", "jpeg"])
def test_files_are_turned_as_they_are_looked_at(form: str) -> None:
    """OpenCV leaves out the orientation of a WebP."""
    pil = pytest.importorskip("PIL.Image")
    ops = pytest.importorskip("PIL.ImageOps")
    picture = pil.fromarray(cv2.resize(noise((4, 6)), (60, 40)))
    for orientation in range(10):
        exif, file = pil.Exif(), io.BytesIO()
        exif[0x112] = orientation
        picture.save(file, form, exif=exif, quality=100)
        seen = np.asarray(ops.exif_transpose(pil.open(file)).convert("RGB")).astype(int)
        data = np.frombuffer(file.getvalue(), np.uint8)
        assert np.abs(decode_image(data, "it")[..., ::-1] - seen).max() < 20, orientation
        for end in range(len(data) - 40, len(data)):  # cut off within what says it, or damaged there
            assert webp_orientation(data[:end].data) in (None, *range(1, 9))


def test_a_size_is_a_side_or_two() -> None:
    """As ultralytics takes it too."""
    given: Any
    for given in (320, np.int64(320), (320, 320), [320, 320]):
        assert height_and_width(given) == (320, 320)
    assert height_and_width((384, 640)) == (384, 640)
    for given in ("640", 640.0, (640,), (1, 2, 3), None, ("640", 640)):
        with pytest.raises(ValueError, match="imgsz is a side in whole pixels, or height and width, not"):
            height_and_width(given)
