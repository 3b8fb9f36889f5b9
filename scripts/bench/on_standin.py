"""The stand-in for librknnrt.so as this process's library: what uses it starts itself again, with it in its path."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from beside import ROOT

sys.path.insert(0, str(ROOT))

from tests.fakes.encode import split_metadata
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.tasks.known import task_of

CORES = 3
METADATA = ModelMetadata(**{**split_metadata((640, 640), 80).__dict__, "build": Build("rk3588", "i8", "2.3.2")})
"""YOLOv8n's: 640 x 640, 80 classes."""
MODEL = "v8n-rk3588-i8.rknn"


def model_on_standin() -> Path:
    """Return a .rknn that the stand-in, tests/board/librknnrt.c, runs: it finds a street scene in every image.

    The linker reads LD_LIBRARY_PATH when a process begins. So the first call compiles the stand-in for this machine,
    runs the program again, and ends with its exit status; in there this returns.
    """
    if folder := os.environ.get("YOLORKNN_STANDIN"):
        return Path(folder, MODEL)
    from tests.fakes.rknn_files import write_rknn
    from tests.fakes.standin import compile_standin, write_replay

    with tempfile.TemporaryDirectory(prefix="yolorknn-bench-") as folder:
        compile_standin(Path(folder))
        write_rknn(Path(folder, MODEL), METADATA)
        replay = write_replay(Path(folder, "replay.bin"), {0: task_of(METADATA).scene(METADATA)})
        environment = {
            **os.environ,
            "YOLORKNN_STANDIN": folder,
            "LD_LIBRARY_PATH": folder,
            "STANDIN_SOC": "rk3588",
            "STANDIN_REPLAY": str(replay),
        }
        raise SystemExit(subprocess.call([sys.executable, *sys.argv], env=environment))
