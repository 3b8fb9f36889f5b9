"""Run many 1920x1080 frames through a stream over three simulated cores, and watch memory, threads and descriptors.

    .venv/bin/python scripts/bench/memory.py [--rounds FRAMES] [MODEL.onnx]

Prints resident memory after the first thousand frames and at the end, and what is left when all is closed.
"""

from __future__ import annotations

import gc
import itertools
import threading
from pathlib import Path

from beside import DEMO_ONNX, arguments

from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import pictures
from yolorknn.predict.detector import Detector
from yolorknn.runtime.memory import resident_mb, share_arena

CORES, NPU_MS, SETTLED = 3, 3.0, 1000


def held() -> tuple[int, int]:
    """Return the number of threads and of open file descriptors."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def main() -> None:
    """Run, and print."""
    parser = arguments(__doc__, rounds=100_000)
    parser.add_argument("model", nargs="?", type=Path, default=DEMO_ONNX)
    given = parser.parse_args()
    frames, model = given.rounds, given.model
    share_arena()
    before, settled = held(), 0.0
    backends = [SimulatedNpu(model, NPU_MS) for _ in range(CORES)]
    with Detector(model, backends=backends) as detector:
        for result in detector.stream(itertools.islice(itertools.cycle(pictures(4)), frames)):
            if result.index + 1 == SETTLED:
                settled = resident_mb()
            if (result.index + 1) % max(frames // 10, SETTLED) == 0:
                print(f"{result.index + 1:>8} frames {resident_mb():>8.1f} MB resident", flush=True)
    gc.collect()
    print(f"after {SETTLED}: {settled:.1f} MB; growth since: {resident_mb() - settled:+.1f} MB")
    print("threads and descriptors before and after: {} {}, {} {}".format(*before, *held()))


if __name__ == "__main__":
    main()
