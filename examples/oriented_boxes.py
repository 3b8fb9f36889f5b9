"""Find turned objects, and print the length and direction of each in pixels and degrees.

python examples/oriented_boxes.py MODEL IMAGE
"""

import sys

import cv2
import numpy as np

from yolorknn import Detector, draw


def main(model: str, image: str) -> None:
    """Write turned.jpg; the image may be larger than the model's input: tiles show what is small in it."""
    picture = cv2.imread(image)
    with Detector(model, tile=640) as detector:
        detections = detector.detect(picture)
        if picture is None or detections.xyxyxyxy is None:
            sys.exit(f"{model} finds no oriented boxes")
        for corners, class_id in zip(detections.xyxyxyxy, detections.class_id, strict=True):
            sides = np.diff(corners[:3], axis=0)  # two that meet
            lengths = np.hypot(sides[:, 0], sides[:, 1])
            x, y = sides[lengths.argmax()]
            angle = np.degrees(np.arctan2(y, x)) % 180
            print(f"{detector.names[class_id]:<10} {lengths.max():6.1f} px long, at {angle:5.1f} degrees")
        cv2.imwrite("turned.jpg", draw(picture, detections, detector.names))


if __name__ == "__main__":
    main(*sys.argv[1:])
