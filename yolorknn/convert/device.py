""".rknn on a board attached over adb, driven from a PC: rknn-toolkit2, in a child process.

Built without a board: everything up to the first message to the board's rknn_server was run against the real toolkit
and a stand-in of an adb server; what rknn_server answers, inference and the measurements are untested.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.served import ServedSession
from yolorknn.convert.tables.profile import Profile, parse_memory, parse_performance
from yolorknn.convert.toolkit import adb
from yolorknn.convert.toolkit.device_child import DeviceJob, Measured
from yolorknn.convert.toolkit.toolkit import Toolkit, printed, toolkit_version
from yolorknn.errors import BackendError, BuildError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.rknn_file import RknnFile
from yolorknn.progress import Progress
from yolorknn.runtime.session import Arrays
from yolorknn.tasks.known import metadata_of

STEP_SECONDS = 60.0
"""For each call: the longest, init_runtime, sends the model over USB. With a silent rknn_server it never returns."""
WITHOUT_OPERATORS = ("rv1103", "rv1103b", "rv1106", "rv1106b")
"""Chips that time the whole model only: eval_perf in the vendor's manual of 2.3.2."""


class DeviceSession:
    """A board's NPU from afar: each frame travels over USB or the network, so nothing is said of the board's speed."""

    def __init__(
        self,
        path: Path,
        *,
        device_id: str | None = None,
        names: list[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Send the model to the board.

        Args:
            path: a .rknn.
            device_id: as `adb devices` prints it, or HOST:PORT; None for the only board attached.
            names: class names, for a model without metadata.
            progress: told the steps.

        Raises:
            ModelError: not a .rknn.
            BackendError: no such board, or its rknn_server refused or gave no answer; the log is named.
            MissingDependencyError: rknn-toolkit2 is not installed.
        """
        model = _read(path)
        self.metadata: ModelMetadata = metadata_of(model, names=names)
        with ExitStack() as held:
            device = _attached(held, device_id)
            self._where = f"{path} on board {device}"
            log = held.enter_context(_log())
            self._toolkit = held.enter_context(_started(_job(path, model, device), log, progress, self._where))
            self._held = held.pop_all()
        self._served = ServedSession(self._toolkit, imgsz=self.metadata.imgsz, outputs=model.outputs, where=self._where)
        self.inputs, self.outputs = self._served.inputs, self._served.outputs

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model on the board; see Session.run."""
        return self._served.run(arrays)

    def close(self) -> None:
        """End the child process, the adb server if it is ours, and remove the log; a second call does nothing."""
        self._held.close()


def measure(path: Path, *, device_id: str | None = None, progress: Progress | None = None) -> Profile:
    """Have the board's NPU timed and its memory counted by the vendor's tools (eval_perf, eval_memory).

    They fix the clocks of the board's CPU, NPU and DDR, which stay so until it restarts.

    Args:
        path: a .rknn.
        device_id: see DeviceSession.
        progress: told the steps.

    Raises:
        ModelError: not a .rknn.
        BackendError: see DeviceSession; or the vendor printed something else than its manual shows.
        MissingDependencyError: rknn-toolkit2 is not installed.
    """
    model = _read(path)
    printed_by: dict[Measured, str] = {}
    with ExitStack() as held:
        device = _attached(held, device_id)
        where = f"{path} on board {device}"
        kinds: tuple[Measured, ...] = ("time", "operators", "memory")
        for kind in kinds:
            if kind == "operators" and model.platforms[0] in WITHOUT_OPERATORS:
                continue
            with _log() as log, _started(_job(path, model, device, kind), log, progress, where):
                printed_by[kind] = printed(log)
    performance = parse_performance(printed_by["time"], where=where)
    operators = parse_performance(printed_by["operators"], where=where).operators if "operators" in printed_by else ()
    return Profile(str(path), device, performance.ms, operators, parse_memory(printed_by["memory"], where=where))


def _read(path: Path) -> RknnFile:
    if path.suffix.lower() != ".rknn":
        raise ModelError(f"{path} is no .rknn, which is what runs on a board: build it with 'yolorknn build'")
    return rknn_file.read(path)


def _job(path: Path, model: RknnFile, device: str, kind: Measured | None = None) -> DeviceJob:
    return DeviceJob(str(path.resolve()), model.platforms[0], device, kind)


def _attached(held: ExitStack, device_id: str | None) -> str:
    held.enter_context(adb.server())
    return adb.choose(device_id)


@contextlib.contextmanager
def _log() -> Iterator[Path]:
    """Give a file for the vendor's output, that stays when an error names it."""
    descriptor, name = tempfile.mkstemp(prefix="yolorknn-device-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    try:
        yield log
    except BaseException as exc:
        if str(log) not in str(exc):
            log.unlink()
        raise
    log.unlink()


@contextlib.contextmanager
def _started(job: DeviceJob, log: Path, progress: Progress | None, where: str) -> Iterator[Toolkit]:
    try:
        toolkit = Toolkit(job, log=log, progress=progress, limit=STEP_SECONDS)
    except BuildError as exc:
        # The vendor's exceptions are whole tracebacks; the sentence is in its log.
        said = re.search(r"(?:init_runtime|eval_\w+): (?!Traceback)(\S.*)", printed(log))
        what = f"{said[1].strip()} (log: {log})" if said else str(exc)
        raise BackendError(
            f"{where}: {what}; on the board rknn_server must run (as root: 'killall rknn_server; rknn_server &'), and "
            f"it and librknnrt.so be of version {toolkit_version()} or newer"
        ) from exc
    with toolkit:
        yield toolkit
