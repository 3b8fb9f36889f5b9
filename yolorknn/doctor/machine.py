"""What the doctor looks at, a machine, and what it finds."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from yolorknn.runtime.wheel import why_not
from yolorknn.stream.sources.ffmpeg_program import ffmpeg_with

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in two or three words; the same on every machine."""
    status: Status
    text: str
    fix: str = ""
    """The command that mends it, or a container's option, as it is to be typed; empty where nothing is wrong."""


def installed(package: str) -> str | None:
    """Return the version of an installed package, None without it; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Machine:
    """What the checks look at: by default, this machine."""

    root: Path = Path("/")
    """Where its file tree begins; only files below it are read."""
    architecture: str = field(default_factory=platform.machine)
    python: tuple[int, int] = sys.version_info[:2]
    user: int = field(default_factory=os.getuid)
    groups: tuple[int, ...] = field(default_factory=lambda: tuple(os.getgroups()))
    version: Callable[[str], str | None] = installed
    """Tells a package's version."""
    broken: Callable[[], str | None] = why_not
    """Tells why the vendor's wheel, which is installed, cannot be imported; it is imported."""
    library_path: tuple[str, ...] = field(
        default_factory=lambda: tuple(os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    )
    """Folders in which the dynamic linker looks first."""
    ffmpeg: Callable[[str], str | None] = ffmpeg_with
    """Tells an ffmpeg that has a decoder; it is run."""

    def path(self, name: str) -> Path:
        """Return where an absolute path is in the tree."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Return a file's text without the ends' blanks and NULs; None where it is absent or not ours to read."""
        try:
            return self.path(name).read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0")
        except OSError:
            return None

    def number(self, name: str) -> int | None:
        """Return the number in a file."""
        text = self.read(name)
        return int(text) if text is not None and re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None

    def glob(self, pattern: str) -> list[str]:
        """Return the absolute paths that match, in order."""
        return [f"/{path.relative_to(self.root)}" for path in sorted(self.root.glob(pattern.lstrip("/")))]

    def may_use(self, name: str) -> bool:
        """Tell whether the user may read and write a device, by its owner and mode."""
        try:
            facts = self.path(name).stat()
        except OSError:
            return False
        if self.user == 0:
            return True
        shift = 6 if facts.st_uid == self.user else 3 if facts.st_gid in self.groups else 0
        return facts.st_mode >> shift & 0o6 == 0o6

    def is_barred(self, name: str) -> bool:
        """Tell whether opening a device is forbidden to whoever its mode allows, as a container's cgroup has it."""
        try:
            os.close(os.open(self.path(name), os.O_RDWR | os.O_CLOEXEC))
        except OSError as exc:
            return exc.errno == errno.EPERM
        return False


def numbers(version: str) -> tuple[int, ...]:
    """Return the first three numbers of a version, for comparing."""
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version, re.ASCII)[:3])
