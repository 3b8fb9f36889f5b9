"""The file that holds what the vendor prints: read for bars and errors, kept where an error names it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from yolorknn.files import open_log
from yolorknn.scratch import temporary_file

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BAR = re.compile(r"I (\w[\w ]{0,60}?) {0,40}: {1,40}(\d{1,3})%")
_ERROR = re.compile(
    r"^E |E RKNN|\w(Error|Exception)\b|terminate called|Aborted|Assertion|Segmentation|^Meet unsupported"
)
_WRONG = re.compile(r"\bE RKNN|(?i:generate random)")
# Printed as errors, with return code 0, for ops that the compiler gives to the CPU: a Reshape after the decoded head's
# Softmax, a custom op.
_HARMLESS = re.compile(r"Unkown op target: 0|fallback to cpu", re.IGNORECASE)


class Log:
    """A log file at `path`.

    Attributes:
        path: the file.
        named: whether an error names it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.named = path, False

    def name(self) -> str:
        """Return how an error names it; it is kept then."""
        self.named = True
        return f"(log: {self.path})"

    def write(self, line: str) -> None:
        """Add a line of ours."""
        with open_log(self.path) as file:
            file.write(f"{line}\n".encode())

    def text(self) -> str:
        """Return what was printed so far, without colours."""
        return _ANSI.sub("", self.path.read_bytes().decode("utf-8", "replace"))

    def bar(self) -> tuple[str, float] | None:
        """Return the name of the vendor's progress bar that was printed last, and how far it is, 0 to 1."""
        bars = _BAR.findall(self.text()[-4000:])
        return (bars[-1][0], int(bars[-1][1]) / 100) if bars else None

    def last_words(self) -> str:
        """Return the last error that was printed, or else the last line."""
        lines = self._lines()
        errors = [line for line in lines if _ERROR.search(line) and "rknn-toolkit2 version" not in line]
        return (errors or lines or ["it printed nothing"])[-1]

    def complaint(self) -> str | None:
        """Return what was printed while 0 was returned and tells of a model that is none.

        That is an error of the compiler, with which it fails on the board, or that weights were not found and invented.
        """
        return next((line for line in self._lines() if _WRONG.search(line) and not _HARMLESS.search(line)), None)

    def _lines(self) -> list[str]:
        lines = (line.rpartition("\r")[2].strip() for line in self.text().splitlines())
        return [line for line in lines if line and not _BAR.match(line)]


class _Temporary(Log):
    """A log of which nothing stays unless an error names it, also where this process is killed."""

    def __init__(self, path: Path, command: str) -> None:
        super().__init__(path)
        self._kept = path.with_name(f"yolorknn-{command}-{secrets.token_hex(4)}.log")

    def name(self) -> str:
        """Return how an error names it; it has a name then that nobody clears away."""
        if self.path != self._kept:
            with contextlib.suppress(OSError):  # someone else cleared the folder
                os.rename(self.path, self._kept)
                self.path = self._kept
        return super().name()


@contextlib.contextmanager
def temporary_log(command: str) -> Iterator[Log]:
    """Give a log in the folder for temporary files, which is removed in the end unless an error named it."""
    with temporary_file(Path(tempfile.gettempdir()), ".log", mode=0o600) as path:
        log = _Temporary(path, command)
        try:
            yield log
        finally:
            if not log.named:
                log.path.unlink(missing_ok=True)
