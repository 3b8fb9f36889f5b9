"""Detect in one image, print the boxes, and draw them.

python examples/detect_image.py [MODEL [IMAGE]]
"""

import sys
from pathlib import Path

import cv2

from yolorknn import Detector, draw

ROOT = Path(__file__).resolve().parent.parent


def main(model: str = f"{ROOT}/models/demo.onnx", image: str = f"{ROOT}/dataset/images/0000.jpg") -> None:
    """Write boxes.jpg; on a board the model is a .rknn, and nothing else changes."""
    picture = cv2.imread(image)
    with Detector(model, conf=0.4) as detector:
        detections = detector.detect(picture)
        for xyxy, confidence, class_id in detections:
            print(f"{detector.names[class_id]:<10} {confidence:.2f} {xyxy.round().tolist()}")
        cv2.imwrite("boxes.jpg", draw(picture, detections, detector.names))


if __name__ == "__main__":
    main(*sys.argv[1:])
