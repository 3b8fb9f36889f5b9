"""The child process: child.py in a Python that may be another one, asked over a socket, ended with us."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from yolorknn.convert.toolkit.log import Log
from yolorknn.errors import BackendError, BuildError
from yolorknn.files import open_log, writing
from yolorknn.scratch import temporary_folder
from yolorknn.text import reason_of

POLL_SECONDS = 0.1
SCRIPT = Path(__file__).with_name("child.py")


class Ended(Exception):
    """The process is gone; the text says how it ended."""


class Silent(Exception):
    """It gave no answer in time."""


class Raised(Exception):
    """The call raised; the text is the end of its exception."""


class Instance(NamedTuple):
    """An argument that is an instance of a class in a Python file, made in the child."""

    file: Path
    name: str
    """Of the class."""
    arguments: Mapping[str, Any] = MappingProxyType({})
    """Of its constructor."""


def environment(scratch: str, *, foreign: bool = False) -> dict[str, str]:
    """Return the child's environment: the vendor leaves files in TMPDIR.

    The OMP_NUM_THREADS that `import ultralytics` sets to 1 is left out: another number of threads gives rknn-toolkit2's
    sums other last bits, and so int8 other values.

    Args:
        scratch: folder for temporary files.
        foreign: whether the Python is another one, for which the modules that PYTHONPATH names are not made.
    """
    theirs = {**os.environ, "TMPDIR": scratch, "PYTHONUNBUFFERED": "1"}
    if "ultralytics" in sys.modules and b"\0OMP_NUM_THREADS=" not in b"\0" + Path("/proc/self/environ").read_bytes():
        theirs.pop("OMP_NUM_THREADS", None)
    if foreign:
        for name in ("PYTHONPATH", "PYTHONHOME"):
            theirs.pop(name, None)
    return theirs


class Process:
    """One child process, in a scratch folder of its own; close() ends it.

    Args:
        log: for everything that is printed; its file is replaced.
        python: the interpreter; None for ours.

    Raises:
        BuildError: the interpreter cannot be run.
        OutputError: the log cannot be written.
    """

    def __init__(self, log: Log, *, python: Path | None = None) -> None:
        self._folder = contextlib.ExitStack()
        self._own = os.getpid()
        self.scratch = self._folder.enter_context(temporary_folder("toolkit"))
        self._link, theirs = socket.socketpair()
        try:
            # Where ours are added to theirs, neither overwrites the other.
            with theirs, writing(log.path), open_log(log.path, empty=True) as output:
                self._process = self._started(python, theirs.fileno(), output.fileno())
        except BaseException:
            self._link.close()
            self._folder.close()
            raise
        self._answers = b""
        self._heard = select.poll()
        self._heard.register(self._link, select.POLLIN)

    def _started(self, python: Path | None, link: int, output: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [python or sys.executable, SCRIPT, str(link)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.scratch,
                env=environment(str(self.scratch), foreign=python is not None),
                pass_fds=[link],
                start_new_session=True,  # the terminal's Ctrl-C reaches us alone, and we end the child
            )
        except OSError as exc:
            raise BuildError(f"cannot run the Python {python or sys.executable}: {reason_of(exc)}") from exc

    def ask(
        self,
        call: str,
        on: str,
        arguments: Mapping[str, Any],
        *,
        limit: float | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> Any:
        """Have a call made, and return its result.

        Args:
            call: "RKNN", "keep", a method's name, or "del"; see child.py.
            on: name of the object.
            arguments: JSON values, arrays, paths and Instances.
            limit: seconds within which the answer must come; None for no limit.
            waiting: called now and then until it comes.

        Raises:
            Raised: the call raised.
            Ended: the process is gone.
            Silent: no answer came; the process is ended, lest a late one be taken for that to the next question.
            OutputError: an array cannot be written.
            BackendError: this process was forked from the one that it belongs to, whose answers it would take.
        """
        if self._own != os.getpid():
            raise BackendError(
                "the toolkit is of the process that this one was forked from: open the model after the fork"
            )
        if self._link.fileno() < 0:
            raise Ended(self._end())
        question = json.dumps({"call": call, "on": on, "arguments": self._plain(arguments, [])})
        try:
            self._link.sendall(question.encode() + b"\n")
            asked = time.monotonic()
            while b"\n" not in self._answers:
                if limit is not None and time.monotonic() - asked > limit:
                    self.close()
                    raise Silent(f"no answer in {limit:g} s")
                if not self._heard.poll(1000 * POLL_SECONDS):
                    waiting()
                elif received := self._link.recv(1 << 16):
                    self._answers += received
                else:
                    raise Ended(self._end())
        except OSError as exc:
            raise Ended(self._end()) from exc
        line, _, self._answers = self._answers.partition(b"\n")
        answer = json.loads(line)
        if "raised" in answer:
            raise Raised(answer["raised"])
        return self._restored(answer["returned"])

    def _plain(self, value: Any, files: list[str]) -> Any:
        """Return an argument as child.py takes it; arrays go to files, whose names are added to `files`."""
        match value:
            case np.ndarray():
                files.append(f"in{len(files)}.npy")
                with writing(path := self.scratch / files[-1]):
                    np.save(path, value, allow_pickle=False)
                return {"$npy": files[-1]}
            case Instance(file, name, arguments):
                return {"$class": name, "$file": str(file.resolve()), "$with": dict(arguments)}
            case Mapping():
                return {key: self._plain(item, files) for key, item in value.items()}
            case list() | tuple():
                return [self._plain(item, files) for item in value]
            case None | bool() | int() | float():
                return value
        return str(value)

    def _restored(self, value: Any) -> Any:
        """Return what child.py says that a call returned."""
        match value:
            case {"$npy": file}:
                return np.load(self.scratch / file, allow_pickle=False)
            case {"$repr": text}:
                return text
            case dict():
                return {key: self._restored(item) for key, item in value.items()}
            case list():
                return [self._restored(item) for item in value]
        return value

    def close(self) -> None:
        """End the process and remove its scratch folder; a second call does nothing, nor does one in a forked one."""
        if self._link.fileno() < 0:
            return
        self._link.close()
        if self._process.stdin:
            self._process.stdin.close()
        if self._own != os.getpid():
            return
        self._end_group()
        self._folder.close()

    def _end_group(self) -> None:
        """End what it started too, before it is waited for: then its number may soon be another process' one."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _end(self) -> str:
        if self._process.returncode is None:
            with contextlib.suppress(ChildProcessError):  # a program that ignores SIGCHLD has nothing to wait for
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
                self._end_group()
        code = self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
