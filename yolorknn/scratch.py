"""Files and folders that are there for a while: nobody can guess their names, and the next run clears a dead one's."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TRIES, PAUSE = 10, 0.05
"""How often a folder is removed that does not stay so, and the seconds between."""
_OURS = re.compile(r"\.?yolorknn-(\w+-)?[0-9a-f]{16}(\..*)?", re.DOTALL)
_cleared: set[Path] = set()


@contextlib.contextmanager
def temporary_file(folder: Path, suffix: str, *, mode: int = 0o666) -> Iterator[Path]:
    """Make an empty file of a name of its own in `folder`, and remove it in the end, if it still has that name.

    Args:
        folder: where.
        suffix: how its name ends.
        mode: its permissions, before the umask.

    Raises:
        OSError: the folder cannot be written.
    """
    clear_leftovers(folder)
    while True:
        path, taken, held = folder / f".yolorknn-{secrets.token_hex(8)}{suffix}", False, None
        process = os.getpid()
        try:
            try:
                held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            except FileExistsError:
                taken = True
                raise
            if _hold(held):
                yield path
                return
        finally:  # also where Ctrl-C came before it was known that it is there
            if not taken and os.getpid() == process:
                with contextlib.suppress(OSError):
                    path.unlink()
            if held is not None:
                os.close(held)


@contextlib.contextmanager
def temporary_folder(kind: str, *, parent: Path | None = None, mode: int = 0o700) -> Iterator[Path]:
    """Make a folder of a name of its own, and remove it in the end, if it still has that name.

    Args:
        kind: what it is for, in its name.
        parent: where; default is the folder for temporary files. There the name begins with a dot.
        mode: its permissions, before the umask.

    Raises:
        OSError: the parent cannot be written.
    """
    within = parent or Path(tempfile.gettempdir())
    clear_leftovers(within)
    while True:
        path = within / f"{'.' if parent else ''}yolorknn-{kind}-{secrets.token_hex(8)}"
        remove, taken, held = functools.partial(_remove, path, os.getpid()), False, None
        try:
            try:
                path.mkdir(mode)
            except FileExistsError:
                taken = True
                raise
            held = _open(path)
            if held is not None and _hold(held):
                atexit.register(remove)  # where Ctrl-C came before whoever asked for it could say so
                yield path
                return
        finally:  # also where it came before it was known that it is there
            if not taken:
                remove()
            atexit.unregister(remove)
            if held is not None:
                os.close(held)


def _open(folder: Path) -> int | None:
    """Open a folder that was just made; None where it was taken for a dead one's, and removed."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _remove(folder: Path, process: int) -> None:
    """Remove a folder, also one into which a process that is about to end still writes; in a forked one nothing."""
    if os.getpid() != process:
        return
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(PAUSE)


def clear_leftovers(folder: Path) -> None:
    """Remove what runs that were killed left in a folder; looked for once a process, as folders can be large.

    What is still held by a living process, belongs to another user, or is a link stays.
    """
    if folder in _cleared:
        return
    _cleared.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_dead(Path(entry.path))


def _hold(descriptor: int) -> bool:
    """Mark what was just made as a living process's; False where it was taken for a dead one's before that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # by who is about to remove it
        return False
    except OSError:  # a file system without locks, where nothing is ever cleared
        pass
    return os.fstat(descriptor).st_nlink > 0


def _remove_if_dead(path: Path) -> None:
    seen = os.lstat(path)
    if seen.st_uid != os.getuid() or not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
        return
    held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), seen):
            if stat.S_ISDIR(seen.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    finally:
        os.close(held)
