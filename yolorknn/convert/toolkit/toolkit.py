"""Every call into rknn-toolkit2, in a child process: its output kept in a log, its codes read, its crashes survived."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.toolkit.child import ANALYSIS, Job
from yolorknn.convert.toolkit.device_child import DeviceJob
from yolorknn.errors import BuildError, InferenceError, MissingDependencyError
from yolorknn.files import writing
from yolorknn.progress import Progress

POLL_SECONDS = 0.1

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BAR = re.compile(r"I (\w[\w ]*?) *: +(\d+)%")
_ERROR = re.compile(
    r"^E |E RKNN|\w(Error|Exception)\b|terminate called|Aborted|Assertion|Segmentation|^Meet unsupported"
)
# Printed as errors, with return code 0, for ops that the compiler gives to the CPU: a Reshape after the decoded head's
# Softmax, a custom op.
_HARMLESS = re.compile(r"Unkown op target: 0|fallback to cpu", re.IGNORECASE)


def toolkit_version() -> str:
    """Return the installed rknn-toolkit2's version.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if importlib.util.find_spec("rknn") is None:
        raise MissingDependencyError("rknn-toolkit2", "export", "building or simulating an .rknn")
    return importlib.metadata.version("rknn-toolkit2")


def printed(log: Path) -> str:
    """Return what the vendor printed into a log, without its colours."""
    return _ANSI.sub("", log.read_bytes().decode("utf-8", "replace"))


def environment(scratch: str) -> dict[str, str]:
    """Return the child's environment: the vendor leaves files in TMPDIR.

    The OMP_NUM_THREADS that `import ultralytics` sets to 1 is left out: another number of threads gives rknn-toolkit2's
    sums other last bits, and so int8 other values.
    """
    package_root = str(Path(__file__).resolve().parents[3])
    ours = {
        **os.environ,
        "TMPDIR": scratch,
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
    }
    if "ultralytics" in sys.modules and b"\0OMP_NUM_THREADS=" not in b"\0" + Path("/proc/self/environ").read_bytes():
        ours.pop("OMP_NUM_THREADS", None)
    return ours


class Toolkit:
    """One child process that runs one Job; a context manager that kills it on leaving.

    Args:
        job: what to do.
        log: file for everything the vendor prints; replaced.
        progress: told the vendor's own progress bars.
        limit: seconds within which each step, and each inference, must be over; None for no limit.

    Raises:
        BuildError: a call returned an error, raised, printed an `E RKNN` line, took the process down, or too long.
        MissingDependencyError: rknn-toolkit2 is not installed.
        OutputError: the log cannot be written.
    """

    def __init__(
        self, job: Job | DeviceJob, *, log: Path, progress: Progress | None = None, limit: float | None = None
    ) -> None:
        toolkit_version()
        self._log, self._limit = log, limit
        self._step = "start"
        self._scratch = tempfile.TemporaryDirectory(prefix="yolorknn-toolkit-")
        try:
            self._link, self._process = self._start()
        except BaseException:
            self._scratch.cleanup()
            raise
        try:
            self._send(job)
            self._receive(progress)
            if complaint := self._complaint():
                raise self._error(complaint)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Toolkit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def analysis(self) -> str:
        """Return what accuracy_analysis wrote, error_analysis.txt; only after a Job with `analyze`.

        Raises:
            BuildError: it wrote nothing.
        """
        try:
            return (Path(self._scratch.name) / ANALYSIS / "error_analysis.txt").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise self._error(f"it returned 0 but left no readable result ({exc})") from exc

    def output(self) -> str:
        """Return what the vendor printed so far, without colours."""
        return self._text()

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Infer one image, uint8 (H, W, 3) RGB; only after a Job that serves, or on a device.

        Raises:
            InferenceError: the simulator or the device failed, or the process died.
        """
        try:
            self._send(image)
            outputs: list[NDArray[np.float32]] | None = self._receive(None)
        except BuildError as exc:
            raise InferenceError(str(exc)) from exc
        if outputs is None:
            raise InferenceError(f"rknn-toolkit2 returned nothing: {self._last_words()} (log: {self._log})")
        return outputs

    def close(self) -> None:
        """End the process and remove its scratch folder; the log stays."""
        self._link.close()
        if self._process.stdin:
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._scratch.cleanup()

    def _start(self) -> tuple[Connection, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        with theirs, writing(self._log), self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "yolorknn.convert.toolkit.child", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._scratch.name,
                env=environment(self._scratch.name),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # the terminal's Ctrl-C reaches us alone, and we end the child
            )
        return Connection(ours.detach()), process

    def _send(self, message: Any) -> None:
        try:
            self._link.send(message)
        except OSError as exc:
            raise self._death() from exc

    def _receive(self, progress: Progress | None) -> Any:
        """Wait for the answer, passing the vendor's bars on."""
        heard = time.monotonic()
        while True:
            if self._limit is not None and time.monotonic() - heard > self._limit:
                self.close()  # lest a late answer be taken for that to the next question
                raise self._error(f"no answer in {self._limit:g} s")
            try:
                if not self._link.poll(POLL_SECONDS):
                    if progress and (bars := _BAR.findall(self._text()[-4000:])):
                        progress(bars[-1][0], int(bars[-1][1]) / 100)
                    continue
                message, heard = self._link.recv(), time.monotonic()
            except (EOFError, OSError) as exc:
                raise self._death() from exc
            match message:
                case ("step", step):
                    self._step = step
                    if progress:
                        progress(step, 0.0)
                case ("failed", step, reason):
                    self._step = step
                    raise self._error(f"{reason}: {self._last_words()}" if "returned" in reason else reason)
                case ("refused", reason):
                    raise BuildError(reason)
                case ("outputs", outputs):
                    return outputs
                case _:
                    return None

    def _death(self) -> BuildError:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return self._error(f"its process ended with {how}: {self._last_words()}")

    def _error(self, reason: str) -> BuildError:
        return BuildError(f"rknn-toolkit2 failed in {self._step}: {reason} (log: {self._log})")

    def _text(self) -> str:
        return printed(self._log)

    def _lines(self) -> list[str]:
        lines = (line.rpartition("\r")[2].strip() for line in self._text().splitlines())
        return [line for line in lines if line and not _BAR.match(line)]

    def _last_words(self) -> str:
        lines = self._lines()
        errors = [line for line in lines if _ERROR.search(line) and "rknn-toolkit2 version" not in line]
        return (errors or lines or ["it printed nothing"])[-1]

    def _complaint(self) -> str | None:
        """Return an error that the compiler printed while returning 0: such a model fails on the board."""
        for line in self._lines():
            if "E RKNN" in line and not _HARMLESS.search(line):
                return line
        return None
