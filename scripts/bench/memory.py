"""Run many 1920x1080 frames through a stream over three cores, and watch memory, threads and descriptors.

    .venv/bin/python scripts/bench/memory.py [--rounds FRAMES] [--runtime simulated|lite|c] [MODEL.onnx]

Prints resident memory after the first thousand frames and at the end, and what is left when all is closed. The cores
are simulated, for MODEL.onnx. With "c" yolorknn calls the stand-in for librknnrt.so, with "lite" what stands in for
rknn-toolkit-lite2, fresh arrays and reference cycles at every call as the real one has them.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from beside import DEMO_ONNX, arguments
from on_standin import CORES, METADATA, model_on_standin

from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import pictures
from yolorknn.model import rknn_file
from yolorknn.model.platforms import PLATFORMS
from yolorknn.predict.detector import Detector
from yolorknn.runtime.backend import Backend, SessionBackend
from yolorknn.runtime.cores import open_cores
from yolorknn.runtime.memory import resident_mb, share_arena
from yolorknn.tasks.known import task_of

NPU_MS, SETTLED = 3.0, 1000


def held() -> tuple[int, int]:
    """Return the number of threads and of open file descriptors."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def opened(runtime: str, model: Path) -> tuple[Path, Sequence[Backend]]:
    """Return a model, and what runs it on each core."""
    if runtime == "simulated":
        return model, [SimulatedNpu(model, NPU_MS) for _ in range(CORES)]
    model = model_on_standin()
    os.environ["STANDIN_MS"] = str(NPU_MS)
    file, board = rknn_file.read(model), PLATFORMS["rk3588"]
    if runtime == "c":
        sessions = open_cores(file, source=model, board=board, runtime="c")
    else:
        from tests.fakes.rknnlite import install

        wheel, modules = install("rk3588")
        scene = task_of(METADATA).scene(METADATA)
        wheel.answer = lambda _: [array.copy() for array in scene]
        sys.modules.update(modules)
        sessions = open_cores(file, source=model, board=board, runtime="lite")
    return model, [SessionBackend(session, METADATA) for session in sessions]


def main() -> None:
    """Run, and print."""
    parser = arguments(__doc__, rounds=100_000)
    parser.add_argument("--runtime", default="simulated", choices=["simulated", "lite", "c"])
    parser.add_argument("model", nargs="?", type=Path, default=DEMO_ONNX)
    given = parser.parse_args()
    if given.runtime != "simulated":
        model_on_standin()
    frames, settled = given.rounds, 0.0
    share_arena()
    before = held()
    model, backends = opened(given.runtime, given.model)
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
