"""Which images of labelled data to calibrate with, and which to measure with: never the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.class_folder import ClassFolder
from yolorknn.data.dataset import images_of, thin
from yolorknn.errors import DatasetError
from yolorknn.files import sha256
from yolorknn.text import reason_of

CALIBRATION, MEASURED = 300, 500
"""Most images of each, evenly spread; the simulator takes a quarter of a second an image at 640."""


def hold_out(data: Path, given: CalibrationSet | None = None) -> tuple[list[Path], list[Path]]:
    """Return the images to calibrate with and those to measure with, the same at every call.

    Args:
        data: the data.yaml; of classified images, their folder.
        given: a calibration set of the user's.

    They are the `train` and the `val` images where these have none in common; else every other `val` image, the first
    for calibration. With a calibration set of the user's, all `val` images that are not in it are measured on. Copies
    of an image count as one.

    Raises:
        DatasetError: the data cannot be used, or nothing is left to measure on.
    """
    if data.is_dir():
        classes = ClassFolder.open(data)
        train, val = classes.train(), list(classes.images)
    else:
        train, val = images_of(data, splits=("train", "val")), images_of(data, splits=("val", "train"))
    if given is not None:
        calibration, measured = list(given.images), thin(_without(val, given.images), MEASURED)
        measured = _unlike(measured, calibration)
    else:
        apart = len(_without(val, train)) == len(val)
        calibration, measured = (train, val) if apart else (val[::2], val[1::2])
        measured = thin(measured, MEASURED)
        calibration = _unlike(thin(calibration, CALIBRATION), measured)
    if not measured or not (calibration or given):
        raise DatasetError(
            f"nothing of {data} is left to measure on: all {len(val)} images of it are calibrated with; give it more"
        )
    return calibration, measured


def _without(images: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    known = {other.resolve() for other in others}
    return [image for image in images if image.resolve() not in known]


def _unlike(images: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    """Leave out copies: files of the same content."""
    known = {_content(other) for other in others}
    return [image for image in images if _content(image) not in known]


def _content(image: Path) -> str:
    try:
        return sha256(image)
    except OSError as exc:
        raise DatasetError(f"cannot read the image {image}: {reason_of(exc)}") from exc
