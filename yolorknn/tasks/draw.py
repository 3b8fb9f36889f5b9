"""draw: what was found, on a copy of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Image, check_image
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import showing

FARTHEST = 1_000_000
"""Pixels from the corner: OpenCV takes no coordinates that are much larger."""


def draw(
    image: NDArray[Any] | None, detections: Detections | Classification, names: Mapping[int, str] | Sequence[str]
) -> Image:
    """Return a copy of a BGR uint8 (H, W, 3) image with what was found in it.

    Args:
        image: not written to. None, which cv2.imread returns where there is no image, is refused.
        detections: what a detector or classifier gave for it.
        names: class names by class id.

    Raises:
        ValueError: not such an image; or what was found has a class without a name, masks of another size than the
            image, or coordinates that are no finite numbers.
    """
    canvas = check_image(image).copy()
    _check(canvas, detections, names)
    showing(detections).draw(canvas, detections, names)
    return canvas


def _check(canvas: Image, found: Detections | Classification, names: Mapping[int, str] | Sequence[str]) -> None:
    """Refuse what does not fit together; what a model of this package found does."""
    known = names if isinstance(names, Mapping) else range(len(names))
    for class_id in found.class_id.tolist():
        if class_id not in known:
            raise ValueError(f"cannot draw: names has {len(names)} names and none for class {class_id}")
    if isinstance(found, Classification):
        return
    height, width = canvas.shape[:2]
    if found.mask is not None and found.mask.shape[1:] != (height, width):
        tall, wide = found.mask.shape[1:]
        raise ValueError(f"cannot draw: mask is {wide}x{tall}, and the image {width}x{height}: give its own image")
    for field in ("xyxy", "keypoints", "xyxyxyxy"):
        points = getattr(found, field)
        if points is not None and not (np.abs(points) <= FARTHEST).all():
            raise ValueError(f"cannot draw: {field} has coordinates that are no numbers, or beyond {FARTHEST} pixels")
