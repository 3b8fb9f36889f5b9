"""Say when a person in a video has a hand above the head.

python examples/pose_in_video.py MODEL SOURCE
"""

import sys

from yolorknn import Detector

SURE = 0.5
"""Keypoints that are less surely visible are not believed."""


def main(model: str, source: str) -> None:
    """The model finds persons with COCO's 17 keypoints."""
    with Detector(model) as detector:
        names = detector.metadata.keypoints
        if "nose" not in names:
            sys.exit(f"{model} finds no persons with keypoints: it has {', '.join(names) or 'none'}")
        nose, wrists = names.index("nose"), [names.index("left_wrist"), names.index("right_wrist")]
        for _, index, timestamp, detections in detector.stream(source):
            assert detections.keypoints is not None
            for points in detections.keypoints:  # x, y, visibility of each; y grows downwards
                seen = [points[wrist] for wrist in wrists if points[wrist, 2] > SURE]
                if points[nose, 2] > SURE and any(wrist[1] < points[nose, 1] for wrist in seen):
                    print(f"frame {index}, {timestamp:.2f}: hand up")


if __name__ == "__main__":
    main(*sys.argv[1:])
