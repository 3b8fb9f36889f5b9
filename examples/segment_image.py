"""Find objects with their masks, print how much of the picture each covers, and cut the first out.

python examples/segment_image.py MODEL [IMAGE]
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from yolorknn import Detector, draw

ROOT = Path(__file__).resolve().parent.parent


def main(model: str, image: str = f"{ROOT}/dataset/images/0000.jpg") -> None:
    """Write masks.jpg and cut.png; the model is a segmentation model's .onnx, on a board its .rknn."""
    picture = cv2.imread(image)
    with Detector(model) as detector:
        detections = detector.detect(picture)
    masks = detections.mask
    if picture is None or masks is None or len(masks) == 0:
        sys.exit("no object with a mask was found")
    for mask, class_id in zip(masks, detections.class_id, strict=True):
        print(f"{detector.names[class_id]:<10} {mask.mean():6.1%} of the picture")
    cv2.imwrite("masks.jpg", draw(picture, detections, detector.names))
    cv2.imwrite("cut.png", np.dstack([picture, masks[0] * np.uint8(255)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
