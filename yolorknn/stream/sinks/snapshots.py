"""Results as JPEGs: of the whole frame with what was found drawn, or of each object by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import cv2

from yolorknn.errors import OutputError
from yolorknn.files import writing
from yolorknn.image import Image
from yolorknn.stream.picture import picture_of
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.shelf import Shelf, stamp
from yolorknn.tasks.detections import Detections
from yolorknn.text import file_word

QUALITY = 90
"""Of the JPEGs, 0 to 100."""


class Snapshots:
    """Writes NAME-000001-20261126T184036Z.jpg and on, for each result with something in it; the oldest go.

    Crops have the class behind the time. Of a classifier there are none. To have few of them, put the sink behind
    Queued with a Seldom.

    Raises:
        OutputError: one cannot be written, or another process writes pictures of this name there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        names: Mapping[int, str],
        what: Literal["frames", "crops"] = "frames",
        most: int = 10,
        quota: int = 1 << 30,
    ) -> None:
        """Take the folder over.

        Args:
            folder: is made.
            name: of the camera, with which all files begin.
            names: class names by class id.
            what: the frame with boxes, or each object without.
            most: crops of a frame, the most confident.
            quota: bytes of all pictures of this name in the folder.
        """
        self._names, self._what, self._most = names, what, most
        self._shelf = Shelf(folder, name, (".jpg",), quota=quota, plays=lambda _: False)

    def write(self, result: Result[Any]) -> None:
        if not len(result.detections):
            return
        if self._what == "frames":
            self._keep(picture_of(result, self._names), result)
        elif isinstance(result.detections, Detections):
            for crop, class_id in _crops(result.frame, result.detections, self._most):
                self._keep(crop, result, self._names[class_id])

    def close(self) -> None:
        self._shelf.close()

    def _keep(self, picture: Image, result: Result[Any], what: str = "") -> None:
        path = self._shelf.begin(stamp(result.timestamp, result.clock), ".jpg", more=what and file_word(what))
        data = jpeg(picture, quality=QUALITY)
        try:
            with writing(path):
                path.write_bytes(data)
            self._shelf.finish(path)
        except OutputError as exc:
            path.unlink(missing_ok=True)
            self._shelf.failed(exc)
            raise


def jpeg(picture: Image, *, quality: int) -> bytes:
    """Return a BGR picture as JPEG.

    Raises:
        OutputError: OpenCV cannot encode it.
    """
    ok, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not ok:
        raise OutputError("OpenCV cannot encode a picture as JPEG")
    return data.tobytes()


def _crops(frame: Image, found: Detections, most: int) -> Iterator[tuple[Image, int]]:
    """Yield what is in each box, rounded outwards, and its class."""
    for xyxy, _, class_id in found[:most]:
        left, top = (max(0, int(side)) for side in xyxy[:2])
        right, bottom = (int(-(-side // 1)) for side in xyxy[2:])
        crop = frame[top:bottom, left:right]
        if crop.size:
            yield crop, class_id
