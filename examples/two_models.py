"""Two models on one NPU, and each frame looked at by both: of people and of cars, say.

python examples/two_models.py [MODEL [OTHER [SOURCE]]]

Each of the two has a context on every core. The NPU's driver keeps a queue for each core, and runs what is in it one
after the other, whosever it is: no core is kept for a model, none idles while either has work for it, and an inference
of one may wait for one of the other. `contexts=2` puts a second inference of that model into each queue: more frames of
a file for it, longer waits for the other. Each model's weights are in memory, whatever the contexts.
"""

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cv2.typing import MatLike

from yolorknn import Detector, Result

ROOT = Path(__file__).resolve().parent.parent
DEMO = f"{ROOT}/models/demo.onnx"


def main(model: str = DEMO, other: str = DEMO, source: str = f"{ROOT}/dataset/images") -> None:
    """Have the second stream take its frames from the first: while it works on one, the first works on those after it.

    What waits between them is bounded, as each stream takes only a few frames more than it works on.
    """
    found: deque[Result] = deque()
    with Detector(model) as one, Detector(other, conf=0.5) as two, one.stream(source) as first:

        def frames() -> Iterator[MatLike]:
            for result in first:
                found.append(result)
                yield result.frame

        with two.stream(frames()) as second:
            taken = 0
            for theirs in second:
                while taken <= theirs.index:  # a frame that a core did not answer is left out
                    ours, taken = found.popleft(), taken + 1
                names = [one.names[class_id] for class_id in ours.detections.class_id.tolist()]
                others = [two.names[class_id] for class_id in theirs.detections.class_id.tolist()]
                print(f"frame {ours.index}: {' '.join(names) or '-'}; {' '.join(others) or '-'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
