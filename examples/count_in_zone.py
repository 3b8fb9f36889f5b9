"""Count how many of a class stand in a zone, and say when that changes.

python examples/count_in_zone.py [MODEL [SOURCE [CLASS]]]
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn import Detections, Detector

ROOT = Path(__file__).resolve().parent.parent
ZONE = [(0.1, 0.3), (0.6, 0.2), (0.9, 0.9), (0.2, 1.0)]  # corners, x and y as shares of the picture: of any size
STAND = (0.5, 1.0)  # what of a box must be inside: people are where their feet are; (0.5, 0.5) is the middle


def inside(detections: Detections, height: int, width: int) -> NDArray[np.bool_]:
    """Return which of the objects are in the zone, (N,)."""
    polygon = (np.array(ZONE) * (width, height)).astype(np.float32)
    corner, size = detections.xyxy[:, :2], detections.xyxy[:, 2:] - detections.xyxy[:, :2]
    points = corner + size * np.array(STAND, np.float32)
    return np.array([cv2.pointPolygonTest(polygon, point.tolist(), False) >= 0 for point in points], np.bool_)


def main(model: str = f"{ROOT}/models/demo.onnx", source: str = f"{ROOT}/dataset/images", name: str = "ball") -> None:
    """Only the class that is counted leaves the detector; detections take a mask as arrays do."""
    before = 0
    with Detector(model, classes=[name]) as detector:
        for frame, index, _, detections in detector.stream(source):
            here = detections[inside(detections, *frame.shape[:2])]
            if len(here) != before:
                print(f"frame {index}: {len(here)} {name} in the zone")
            before = len(here)


if __name__ == "__main__":
    main(*sys.argv[1:])
