"""Time what a user waits for before anything happens, beside the least that Python could need.

    .venv/bin/python scripts/bench/start.py

Each command is a process of its own; the ratio is to `import numpy, cv2`.
"""

from __future__ import annotations

import sys

from beside import DEMO_IMAGES, DEMO_ONNX, arguments, compare, process, show

FIRST = f"""
from yolorknn import Detector
with Detector({str(DEMO_ONNX)!r}) as detector:
    detector.detect({str(next(DEMO_IMAGES.glob("*.jpg")))!r})
"""
COMMANDS = {
    "import numpy, cv2": ["-c", "import numpy, cv2"],
    "import yolorknn": ["-c", "import yolorknn"],
    "import Detector": ["-c", "from yolorknn import Detector"],
    "yolorknn --help": ["-m", "yolorknn", "--help"],
    "first detection, demo.onnx": ["-c", FIRST],
}


def main() -> None:
    """Measure and print."""
    rounds = arguments(__doc__, rounds=7).parse_args().rounds
    show(
        "to start", compare({name: process(sys.executable, *words) for name, words in COMMANDS.items()}, rounds=rounds)
    )


if __name__ == "__main__":
    main()
