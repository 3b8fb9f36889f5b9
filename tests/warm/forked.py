"""Processes that are forked from one which has imported torch and the like: what takes three seconds is done once."""

from __future__ import annotations

import io
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.waiting import LONGEST

SERVER = Path(__file__).with_name("server.py")


class Forked:
    """What subprocess.Popen is for a process that was started: as much of it as is used here."""

    def __init__(self, status: int, stdin: int, args: Sequence[str]) -> None:
        self.args = args
        self._status = io.FileIO(status)
        self.stdin = io.FileIO(stdin, "w")
        self.pid = int(self._line())
        self.returncode: int | None = None

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not (more := self._status.read(1)):
                raise RuntimeError(f"what {self.args} is forked from is gone")
            line += more
        return line

    def poll(self) -> int | None:
        """Return its exit status if it has ended."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status once it has ended; of a signal, the negative number."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._line())
            self._status.close()
        return self.returncode


class Warm:
    """Forks processes that have some modules imported; closed, it forks no more.

    Args:
        python: the interpreter.
        environment: of the process that is forked, and of all that are unless another is given.
        modules: what to import.
    """

    def __init__(self, *modules: str, environment: dict[str, str], python: Path | None = None) -> None:
        self.environment = environment
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [str(python or sys.executable), str(SERVER), str(theirs.fileno()), *modules]
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        stdout: int,
        stderr: int,
        module: bool = False,
        environment: dict[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Forked:
        """Start a script, or with `module` what `python -m` starts; its stdin is a pipe."""
        stdin, ours = os.pipe()
        status, theirs = os.pipe()
        message = {"argv": list(argv), "module": module, "cwd": str(cwd), "pass_fds": list(pass_fds)}
        message["env"] = self.environment if environment is None else environment
        try:
            descriptors = [stdin, stdout, stderr, *pass_fds, theirs]
            socket.send_fds(self._link, [json.dumps(message).encode()], descriptors)
        finally:
            os.close(stdin)
            os.close(theirs)
        return Forked(status, ours, argv)

    def close(self) -> None:
        """Fork no more; what runs yet is not ended."""
        self._link.close()
        self._process.wait(LONGEST)
