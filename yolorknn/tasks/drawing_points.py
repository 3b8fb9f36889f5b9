"""What tasks draw: keypoints, and the limbs between those of a person."""

from __future__ import annotations

import cv2

from yolorknn.image import Image
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.drawing import colour, line_width

VISIBLE = 0.25
"""Keypoints that are less visible are not drawn, as ultralytics does it."""

LEGS, TRUNK, ARMS, FACE = (51, 153, 255), (255, 51, 255), (255, 128, 0), (0, 255, 0)
"""Colours of a person's parts, RGB, as ultralytics has them."""

LIMBS = {
    LEGS: ((15, 13), (13, 11), (16, 14), (14, 12)),
    TRUNK: ((11, 12), (5, 11), (6, 12)),
    ARMS: ((5, 6), (5, 7), (6, 8), (7, 9), (8, 10)),
    FACE: ((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
}
"""Between which of COCO's 17 keypoints there are limbs."""
JOINTS = (FACE,) * 5 + (ARMS,) * 6 + (LEGS,) * 6


def draw_keypoints(canvas: Image, detections: Detections) -> None:
    """Draw keypoints into a BGR uint8 (H, W, 3) image, the most confident object's on top; 17 are a person's."""
    assert detections.keypoints is not None
    line = line_width(canvas, detections.xyxy)
    for points in detections.keypoints[::-1]:
        person = len(points) == len(JOINTS)
        places = [(round(float(x)), round(float(y))) for x, y, _ in points]
        seen = points[:, 2] >= VISIBLE
        for paint, limbs in LIMBS.items() if person else ():
            for one, other in limbs:
                if seen[one] and seen[other]:
                    cv2.line(canvas, places[one], places[other], paint[::-1], -(-line // 2), cv2.LINE_AA)
        for number, place in enumerate(places):
            if seen[number]:
                paint = JOINTS[number][::-1] if person else colour(number)
                cv2.circle(canvas, place, line, paint, cv2.FILLED, cv2.LINE_AA)
