"""Frames from a source of your own, and a line of your own logic: say when something comes into a part of the picture.

python examples/own_camera.py [MODEL [FOLDER]]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
from cv2.typing import MatLike

from yolorknn import Detector

ROOT = Path(__file__).resolve().parent.parent


def frames(folder: str) -> Iterator[MatLike]:
    """Give BGR frames, from wherever they come: a camera's SDK, a socket, a simulation. Runs on the stream's thread."""
    for path in sorted(Path(folder).glob("*.jpg")):
        frame = cv2.imread(str(path))
        if frame is not None:
            yield frame


def main(model: str = f"{ROOT}/models/demo.onnx", folder: str = f"{ROOT}/dataset/images") -> None:
    """Take every frame; for a camera, which does not wait, drop="old" skips to the newest."""
    seen: set[int] = set()
    with Detector(model, conf=0.5) as detector:
        for frame, index, _, detections in detector.stream(frames(folder), drop="none"):
            left = set(detections[detections.xyxy[:, 2] < frame.shape[1] / 2].class_id.tolist())
            for class_id in sorted(left - seen):
                print(f"frame {index}: {detector.names[class_id]} on the left")
            seen = left


if __name__ == "__main__":
    main(*sys.argv[1:])
