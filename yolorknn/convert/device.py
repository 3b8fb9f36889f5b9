""".rknn on a board attached over adb, driven from a PC: rknn-toolkit2, in a child process.

Built without a board: everything up to the first message to the board's rknn_server was run against the real toolkit
and a stand-in of an adb server; what rknn_server answers, inference and the measurements are untested.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from yolorknn.convert.served import ServedSession
from yolorknn.convert.tables.profile import Profile, parse_memory, parse_performance
from yolorknn.convert.toolkit import adb
from yolorknn.convert.toolkit.log import Log, temporary_log
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.errors import BackendError, BuildError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.interface import Interface, interface_of
from yolorknn.model.rknn_file import RknnFile
from yolorknn.progress import Progress
from yolorknn.runtime.session import Arrays
from yolorknn.toolkits.installed import Installed, choose

STEP_SECONDS = 60.0
"""For each call: the longest, init_runtime, sends the model over USB. With a silent rknn_server it never returns."""
Measurement = Literal["time", "operators", "memory"]
WITHOUT_OPERATORS = ("rv1103", "rv1103b", "rv1106", "rv1106b")
"""Chips that time the whole model only: eval_perf in the vendor's manual of 2.3.2."""


class DeviceSession:
    """A board's NPU from afar: each frame travels over USB or the network, so nothing is said of the board's speed."""

    def __init__(
        self,
        path: Path,
        *,
        device_id: str | None = None,
        toolkit: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Send the model to the board.

        Args:
            path: a .rknn.
            device_id: as `adb devices` prints it, or HOST:PORT; None for the only board attached.
            toolkit: version of the rknn-toolkit2 to use; see toolkits.installed.choose().
            progress: told the steps.

        Raises:
            ModelError: not a .rknn.
            BackendError: no such board, or its rknn_server refused or gave no answer; the log is named.
            MissingDependencyError: rknn-toolkit2 is not installed.
        """
        model = read_for_a_board(path)
        self.interface: Interface = interface_of(model)
        with ExitStack() as held:
            board = Board.attached(held, device_id, path, model, toolkit)
            _, rknn = board.started(held, progress)
            self._held = held.pop_all()
        self._served = ServedSession(rknn, self.interface, where=board.where)
        self.inputs, self.outputs = self._served.inputs, self._served.outputs

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model on the board; see Session.run."""
        return self._served.run(arrays)

    def close(self) -> None:
        """End the child process and the adb server if it is ours, and remove the log unless an error named it.

        A second call does nothing.
        """
        self._held.close()


def measure(
    path: Path, *, device_id: str | None = None, toolkit: str | None = None, progress: Progress | None = None
) -> Profile:
    """Have the board's NPU timed and its memory counted by the vendor's tools (eval_perf, eval_memory).

    They fix the clocks of the board's CPU, NPU and DDR, which stay so until it restarts.

    Args:
        path: a .rknn.
        device_id: see DeviceSession.
        toolkit: see DeviceSession.
        progress: told the steps.

    Raises:
        ModelError: not a .rknn.
        BackendError: see DeviceSession; or the vendor printed something else than its manual shows.
        MissingDependencyError: rknn-toolkit2 is not installed.
    """
    model = read_for_a_board(path)
    said: dict[Measurement, str] = {}
    with ExitStack() as attached:
        board = Board.attached(attached, device_id, path, model, toolkit)
        kinds: tuple[Measurement, ...] = ("time", "operators", "memory")
        for kind in kinds:
            if kind == "operators" and model.platforms[0] in WITHOUT_OPERATORS:
                continue
            with ExitStack() as held:
                log, _ = board.started(held, progress, kind)
                said[kind] = log.text()
    where = board.where
    performance = parse_performance(said["time"], where=where)
    operators = parse_performance(said["operators"], where=where).operators if "operators" in said else ()
    return Profile(str(path), board.device, performance.ms, operators, parse_memory(said["memory"], where=where))


def read_for_a_board(path: Path) -> RknnFile:
    """Read a .rknn, which is what runs on a board.

    Raises:
        ModelError: it is none, absent or broken.
    """
    if path.suffix.lower() != ".rknn":
        raise ModelError(f"{path} is no .rknn, which is what runs on a board: build it with 'yolorknn build'")
    return rknn_file.read(path)


@dataclass(frozen=True)
class Board:
    """A board attached to this PC, and the .rknn to run there."""

    device: str
    rknn: Path
    platform: str
    toolkit: Installed

    @classmethod
    def attached(cls, held: ExitStack, device_id: str | None, path: Path, model: RknnFile, named: str | None) -> Board:
        """Find it; `held` keeps the adb server, `named` is the toolkit's version."""
        toolkit = choose(named)
        executable = adb.executable(toolkit)
        held.enter_context(adb.server(executable))
        return cls(adb.select(device_id, executable), path, model.platforms[0], toolkit)

    @property
    def where(self) -> str:
        """How an error names it."""
        return f"{self.rknn} on board {self.device}"

    def started(self, held: ExitStack, progress: Progress | None, kind: Measurement | None = None) -> tuple[Log, Rknn]:
        """Load the model there, and measure or be ready for images; `held` keeps the child process and its log.

        Raises:
            BackendError: the board's rknn_server refused or gave no answer.
        """
        log = held.enter_context(temporary_log("device"))
        try:
            toolkit = held.enter_context(
                Toolkit(log, python=self.toolkit.python, progress=progress, limit=STEP_SECONDS)
            )
            rknn = toolkit.rknn()
            rknn.do("load_rknn", path=self.rknn.resolve())
            rknn.do(
                "init_runtime",
                target=self.platform,
                device_id=self.device,
                perf_debug=kind == "operators",  # slows inference, and so does eval_mem: each in a run of its own
                eval_mem=kind == "memory",
            )
            if kind is not None:
                rknn.measure("eval_memory" if kind == "memory" else "eval_perf", is_print=True)
            toolkit.check()
        except BuildError as exc:
            # The vendor's exceptions are whole tracebacks; the sentence is in its log.
            said = re.search(r"(?:init_runtime|eval_\w{1,30}): (?!Traceback)(\S.*)", log.text())
            what = f"{said[1].strip()} {log.name()}" if said else str(exc)
            raise BackendError(
                f"{self.where}: {what}; on the board rknn_server must run (as root: 'killall rknn_server; rknn_server "
                f"&'), and it and librknnrt.so be of version {self.toolkit.version} or newer"
            ) from exc
        return log, rknn
