"""Time what a user waits for before anything happens, beside the least that Python could need.

    .venv/bin/python scripts/bench/start.py

Each command is a process of its own; medians over rounds that run all of them, and ratios to `import numpy, cv2`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7
FIRST = f"""
from yolorknn import Detector
with Detector({str(ROOT / "models/demo.onnx")!r}) as detector:
    detector.detect({str(next((ROOT / "dataset/images").glob("*.jpg")))!r})
"""
COMMANDS = {
    "import numpy, cv2": ["-c", "import numpy, cv2"],
    "import yolorknn": ["-c", "import yolorknn"],
    "import Detector": ["-c", "from yolorknn import Detector"],
    "yolorknn --help": ["-m", "yolorknn", "--help"],
    "first detection, demo.onnx": ["-c", FIRST],
}


def seconds(words: list[str]) -> float:
    """Time one process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    rounds = [[seconds(words) for words in COMMANDS.values()] for _ in range(ROUNDS)]
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    for name, median in zip(COMMANDS, medians, strict=True):
        print(f"{name:<28} {median:>6.2f} s {median / medians[0]:>6.2f}")


if __name__ == "__main__":
    main()
