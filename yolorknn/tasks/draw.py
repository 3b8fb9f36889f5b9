"""draw: what was found, on a copy of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from yolorknn.image import Image, check_image
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.known import showing


def draw(
    image: NDArray[Any] | None, detections: Detections | Classification, names: Mapping[int, str] | Sequence[str]
) -> Image:
    """Return a copy of a BGR uint8 (H, W, 3) image with what was found in it.

    Args:
        image: not written to. None, which cv2.imread returns where there is no image, is refused.
        detections: what a detector or classifier gave for it.
        names: class names by class id.

    Raises:
        ValueError: not such an image.
    """
    canvas = check_image(image).copy()
    showing(detections).draw(canvas, detections, names)
    return canvas
