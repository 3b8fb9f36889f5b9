"""Predictions: what a model found in each image, kept in a file as it comes, so that an interrupted val goes on."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.files import check_folder, writing
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.mask_text import write_mask

POINTS = {"keypoints": 3, "xyxyxyxy": 2}
"""The fields of Detections that hold some points of each object, and how many numbers a point has."""


class Prediction(NamedTuple):
    """What a model found in an image, and the image's height and width."""

    detections: Detections
    """Without masks: those of some hundred objects an image would fill the memory."""
    size: tuple[int, int]
    masks: tuple[str, ...] = ()
    """Of each object, where the model finds any: COCO's run-length encoding."""

    @classmethod
    def of(cls, detections: Detections, size: tuple[int, int]) -> Prediction:
        """Return what was found, its masks encoded."""
        if detections.mask is None:
            return cls(detections, size)
        masks = tuple(str(write_mask(mask, "rle")["counts"]) for mask in detections.mask)
        fields = {name: array for name, array in detections.arrays().items() if name != "mask"}
        return cls(Detections(**fields), size, masks)


class Predictions:
    """A file of JSON lines, one an image: the sha256 of its content, its size, and the boxes.

    The file's name holds a digest of everything that the boxes depend on but the image, so nothing stale is ever used.
    A line that a killed process left unfinished is passed over, and two processes may append to one file.

    Args:
        folder: where the file is; made when the first image is added.
        name: beginning of the file's name, for people.
        key: everything that the boxes depend on: the model's sha256, the runtime, the settings.
    """

    def __init__(self, folder: Path, *, name: str, key: tuple[object, ...]) -> None:
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        self.path = folder / f"{name}-{digest[:16]}.jsonl"
        self._found = dict(_lines(self.path))

    def get(self, image: str) -> Prediction | None:
        """Return what was found in the image of this sha256, or None."""
        return self._found.get(image)

    @contextlib.contextmanager
    def adding(self) -> Iterator[BinaryIO]:
        """Open the file to add to.

        Raises:
            OutputError: it cannot be written.
        """
        check_folder(self.path.parent)
        with writing(self.path), self.path.open("ab") as file:
            file.write(b"\n")  # ends a line that was left unfinished
            yield file

    def add(self, file: BinaryIO, image: str, found: Prediction) -> None:
        """Keep what was found in an image.

        Raises:
            OutputError: the disk is full.
        """
        boxes = found.detections
        columns = np.column_stack([boxes.xyxy, boxes.confidence, boxes.class_id]).astype("<f4")
        fields: dict[str, Any] = {"image": image, "size": found.size, "boxes": _text(columns)}
        for name in POINTS:
            if (points := getattr(boxes, name)) is not None:
                fields[name] = [points.shape[1], _text(points.astype("<f4"))]
        if found.masks:
            fields["masks"] = found.masks
        line = json.dumps(fields)
        with writing(self.path):
            file.write(f"{line}\n".encode())
            file.flush()
        self._found[image] = found


def _lines(path: Path) -> Iterator[tuple[str, Prediction]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, LookupError, TypeError, ArithmeticError, RecursionError, binascii.Error):
            entry = json.loads(line)
            columns = np.frombuffer(base64.b64decode(entry["boxes"], validate=True), "<f4").reshape(-1, 6)
            height, width = entry["size"]
            extras: dict[str, Any] = {
                name: _points(*entry[name], count=len(columns), values=values)
                for name, values in POINTS.items()
                if name in entry
            }
            boxes = Detections(columns[:, :4], columns[:, 4], columns[:, 5].astype(np.int64), **extras)
            masks = tuple(map(str, entry.get("masks", ())))
            yield str(entry["image"]), Prediction(boxes, (int(height), int(width)), masks)


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _points(each: int, text: str, *, count: int, values: int) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(count, each, values)
