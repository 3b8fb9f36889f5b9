"""Commands and files on another machine, by the OpenSSH that is installed here, with the user's own configuration."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.deploy.pack import pack
from yolorknn.deploy.receive import MARK, RECEIVE
from yolorknn.deploy.refusals import no_connection
from yolorknn.errors import BoardAwayError, DeployError
from yolorknn.scratch import temporary_folder

ALWAYS = ("ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")
"""Options below the user's --ssh-option: a board that is switched off ends a command within a minute."""
KEPT = "ControlPersist=600"
"""Seconds that an unused connection outlives us, should we be killed."""

# The command runs in a process group of its own. `read` returns when the connection ends, for whatever reason, as
# nothing is ever written to it; then the group is ended.
_GUARD = """exec 3<&0
setsid sh -c {command} </dev/null & job=$!
{{ read _ <&3; kill -TERM -"$job" || kill "$job"; sleep 5; kill -KILL -"$job"; }} >/dev/null 2>&1 & watch=$!
wait "$job"; status=$?
kill "$watch"
exit "$status"
"""
MOST_SAID = 32 << 20
"""Bytes that a command there may print."""
_LOST = 255
"""ssh's own exit status when the connection failed."""


class EndedError(DeployError):
    """What was asked of a board was ended by Remote.end()."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def reason(self) -> str:
        """The line that says why it failed: the last that tells of an error, else the last."""
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or [f"exit status {self.status}"])[-1].removeprefix("ERROR: ")


class Remote:
    """A connection to `[user@]host`, shared by all commands, so that a password is asked once.

        with Remote("orangepi@192.168.1.20") as board:
            board.run("uname", "-r")

    Args:
        host: as ssh takes it; an alias of the ssh configuration too.
        port: of the ssh server; default is the configuration's.
        options: more of ssh's options, each as NAME=VALUE.
        tell: is told each command before it runs there.

    Raises:
        BoardAwayError: no connection; why, and what to do.
    """

    def __init__(
        self,
        host: str,
        *,
        port: int | None = None,
        options: Sequence[str] = (),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.host, self._tell = host, tell
        self._ssh = ["ssh", *([] if port is None else ["-p", str(port)])]
        for option in (*options, *ALWAYS):
            self._ssh += ["-o", option]
        self._lock, self._ended = threading.Lock(), False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Remote:
        self._folder = contextlib.ExitStack()
        self._ssh += ["-S", str(self._folder.enter_context(temporary_folder("ssh")) / "ssh")]
        try:
            with tempfile.TemporaryFile("w+") as said:  # no pipe: the connection that stays would keep it open
                command = [*self._ssh, "-o", KEPT, "-f", "-N", "-M", "--", self.host]
                with self._started(command, stdin=subprocess.DEVNULL, stderr=said) as connecting:
                    status = connecting.wait()
                said.seek(0)
                if status != 0:
                    raise BoardAwayError(no_connection(self.host, said.read()))
        except FileNotFoundError:
            self.__exit__()
            raise DeployError("ssh is not installed on this PC: sudo apt install openssh-client") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run([*self._ssh, "-O", "exit", "--", self.host], capture_output=True, check=False)
        self._folder.close()

    def end(self) -> None:
        """End what goes on there, and refuse whatever is asked for from now on; from any thread."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    @contextlib.contextmanager
    def _started(self, command: Sequence[str], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a process of this PC's ssh, which end() ends, as does an exception."""
        with self._lock:
            if self._ended:
                raise EndedError(self.host)
            process = self._process = subprocess.Popen(command, **streams)
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
            process.wait()
        if self._ended:
            raise EndedError(self.host)

    @contextlib.contextmanager
    def reach(self, port: int) -> Iterator[socket.socket]:
        """Yield a connection to what listens on a port of the board's own loopback; it ends at once where nothing does.

        Raises:
            EndedError: see end().
        """
        command = [*self._ssh, "-o", "BatchMode=yes", "-W", f"127.0.0.1:{port}", "--", self.host]
        ours, theirs = socket.socketpair()
        with ours, theirs, self._started(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL) as process:
            theirs.close()
            yield ours
            process.kill()

    def run(self, *words: str, folder: str | None = None, show: str | None = None) -> Done:
        """Run a command there, in `folder` (default: the home folder); whatever ends us ends it too.

        Args:
            words: the command and its arguments, as they are, quoted here.
            folder: where it runs.
            show: what to tell instead of the command itself.

        Raises:
            BoardAwayError: the connection was lost.
        """
        script = _in_folder(shlex.join(words), folder)
        self._tell(f"{self.host}$ {show or script}")
        return self._talk(_GUARD.format(command=shlex.quote(script)), None)

    def send(self, files: Mapping[str, Path | bytes], folder: str) -> None:
        """Copy files into a folder there, which is made; what has the same name at its top is replaced as a whole.

        But a folder there is replaced only if it came from here, which a file MARK in it says.

        Args:
            files: names below the folder, "/" between their parts, and what is to be in them.
            folder: where they go.

        Raises:
            DeployError: they cannot be written there.
            OSError: one cannot be read here.
        """
        marks = {f"{name.partition('/')[0]}/{MARK}": b"" for name in files if "/" in name}
        target = shlex.quote(folder)
        tops = sorted({name.partition("/")[0] for name in files})
        self._tell(f"{self.host}$ mkdir -p {target}  # and copy to it: {', '.join(tops)}")
        done = self._talk(f"mkdir -p -- {target} && {_in_folder(RECEIVE, folder)}", {**files, **marks})
        self.check(done, f"copying to {folder}")

    def check(self, done: Done, what: str) -> None:
        """Refuse a command that failed.

        Raises:
            DeployError: it did; a full disk is called by its name.
        """
        if done.status == 0:
            return
        if "No space left on device" in done.stderr + done.stdout:
            raise DeployError(f"{what} failed, as the disk of {self.host} is full: see 'df -h' there, and free some")
        raise DeployError(f"{what} failed on {self.host}: {done.reason}")

    def answer(self, done: Done) -> Any:
        """Return the JSON that a command printed last; a shell's start-up files may have printed before it.

        Raises:
            DeployError: it printed none.
        """
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError, RecursionError):
            raise self.nonsense(done.stdout) from None

    def nonsense(self, answer: object) -> DeployError:
        """Return the error that tells of an answer which is not of the form that was asked for."""
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return DeployError(f"{self.host} answered nonsense instead of JSON: {text.strip()[-200:]!r}")

    def _talk(self, script: str, files: Mapping[str, Path | bytes] | None) -> Done:
        command = [*self._ssh, "-o", "BatchMode=yes", "--", self.host, f"exec sh -c {shlex.quote(script)}"]
        with tempfile.TemporaryFile() as said:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said}
            with self._started(command, **pipes) as process:
                assert process.stdin and process.stdout
                if files is not None:
                    with contextlib.suppress(BrokenPipeError):  # it tells why on stderr
                        pack(files, process.stdin)
                    with contextlib.suppress(BrokenPipeError):
                        process.stdin.close()
                stdout = process.stdout.read(MOST_SAID)
                if process.stdout.read(1):
                    raise DeployError(f"{self.host} answers without end: {script[:60]!r} printed {MOST_SAID} bytes")
                status = process.wait()
            said.seek(max(said.seek(0, os.SEEK_END) - MOST_SAID, 0))
            stderr = said.read().decode("utf-8", "replace")
        if status == _LOST:
            raise BoardAwayError(f"the connection to {self.host} was lost: {stderr.strip() or 'it was closed there'}")
        return Done(status, stdout.decode("utf-8", "replace"), stderr)


def _in_folder(script: str, folder: str | None) -> str:
    return script if folder is None else f"cd {shlex.quote(folder)} && {script}"
