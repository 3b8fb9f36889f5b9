"""The stand-in for librknnrt.so, tests/board/librknnrt.c, compiled for this machine: what to do, what it was asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.waiting import until

SOURCE = Path(__file__).resolve().parents[1] / "board/librknnrt.c"
Call = dict[str, Any]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def compile_standin(folder: Path) -> Path:
    """Compile it for this machine, as scripts/board-emulator.sh does for the board.

    Without a soname: a plug-in that tests load later into this process would take it for the runtime that it needs.
    """
    target = folder / "librknnrt.so"
    flags = "-std=gnu11 -O3 -g -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden"
    command = ["cc", *flags.split(), "-o", str(target), str(SOURCE), "-lpthread", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def key_of(image: NDArray[np.uint8]) -> int:
    """Return what the stand-in knows an input by: RGB uint8 (H, W, 3)."""
    return zlib.crc32(np.ascontiguousarray(image).tobytes())


def write_replay(path: Path, records: Mapping[int, Iterable[NDArray[Any]]]) -> Path:
    """Write what it is to answer: a model's outputs in order, by the input's key, 0 for any input."""
    with path.open("wb") as file:
        file.write(b"YKRP")
        for key, outputs in records.items():
            floats = np.concatenate([np.asarray(array).ravel() for array in outputs]).astype("<f4")
            file.write(struct.pack("<II", key, floats.size) + floats.tobytes())
    return path


class Library:
    """What the stand-in in this process is to do, and what it was asked."""

    def __init__(self, log: Path, patch: pytest.MonkeyPatch) -> None:
        self.log, self._patch = log, patch
        self.set(LOG=log)

    def set(self, **what: object) -> None:
        """Set its STANDIN_... variables."""
        for name, value in what.items():
            self._patch.setenv(f"STANDIN_{name}", str(value))

    def calls(self, name: str = "") -> list[Call]:
        """Return the calls so far, or those of one function."""
        text = self.log.read_text() if self.log.exists() else ""
        return [call for call in map(json.loads, text.splitlines()) if name in ("", call["f"])]

    def opened(self) -> list[Call]:
        """Return the calls that opened contexts, those that failed among them."""
        return [call for call in self.calls() if call["f"] in ("rknn_init", "rknn_dup_context")]

    def interrupt_a_run(self) -> None:
        """Press Ctrl-C once the library says that a run began: the input is set, and the run has not ended."""

        def watch() -> None:
            until(lambda: self.calls("rknn_inputs_set"))
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=watch).start()

    def let_go(self) -> None:
        """End every hang, and wait for the threads that were in one."""
        Path(f"{self.log}.go").touch()
        for thread in threading.enumerate():
            if thread.name == "yolorknn-npu":
                thread.join(60)

    def check(self) -> None:
        """Nothing was called wrongly, and every context that was opened is released."""
        assert [call for call in self.calls() if "wrong" in call] == []
        freed = [call["ctx"] for call in self.calls("rknn_destroy") if call["ret"] == 0]
        assert sorted(call["ctx"] for call in self.opened() if call["ret"] == 0) == sorted(freed)
