"""Count what is in a video, or in a folder of images: for each class in how many frames, and the most at once.

python examples/count_in_video.py [MODEL [VIDEO]]
"""

import sys
from collections import Counter
from pathlib import Path

from yolorknn import Detector, SourceError

ROOT = Path(__file__).resolve().parent.parent


def main(model: str = f"{ROOT}/models/demo.onnx", source: str = f"{ROOT}/dataset/images") -> None:
    """Read and detect on threads; the results come in the order of the frames."""
    frames: Counter[str] = Counter()
    most: Counter[str] = Counter()
    with Detector(model) as detector, detector.stream(source) as stream:
        while True:
            try:
                result = next(stream)
            except StopIteration:
                break
            except SourceError as exc:  # one damaged file: the next call goes on behind it
                print(exc, file=sys.stderr)
                continue
            here = Counter(detector.names[class_id] for _, _, class_id in result.detections)
            frames.update(here.keys())
            most |= here
    for name, count in frames.most_common():
        print(f"{name:<10} in {count} frames, at most {most[name]} at once")


if __name__ == "__main__":
    main(*sys.argv[1:])
