"""Count what crosses a line in a video or of a camera, each object once, and say who goes which way.

python examples/count_across_line.py [MODEL [SOURCE]]     # pip install '.[track]'
"""

import sys
from pathlib import Path

from yolorknn import Detector
from yolorknn.stream.scene import LineEvent
from yolorknn.tracking.tracking import Tracking
from yolorknn.tracking.zones import Line

ROOT = Path(__file__).resolve().parent.parent
GATE = Line("gate", start=(0.5, 0), end=(0.5, 1))  # down the middle; in is to the right


def main(model: str = f"{ROOT}/models/demo.onnx", source: str = "clip.mp4") -> None:
    """Number the objects of each frame; a new connection to a camera is a new epoch."""
    epoch = -1
    with Detector(model) as detector, detector.stream(source) as stream:
        tracking = Tracking(detector.names, lines=[GATE])
        for result in stream:
            if result.epoch != epoch:
                epoch = result.epoch
                tracking.begin(epoch)
            for event in tracking.apply(result).events:
                if isinstance(event, LineEvent):
                    name = detector.names[event.class_id]
                    print(f"{event.timestamp:.1f} s: {name} #{event.tracker_id} goes {event.direction}")
        tracking.end()
        for direction, counts in tracking.scene.lines["gate"].items():
            print(direction, sum(counts.values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
