"""Which of a board's NPU cores an actor has: Ray counts them and does not say which."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from yolorknn.errors import BackendError
from yolorknn.model.platforms import this_platform
from yolorknn.text import reason_of


class CoreClaim:
    """An NPU core of this machine, this process's until it closes or ends.

    Args:
        cores: how many there are.
        folder: holds a lock a core.

    Raises:
        BackendError: other processes have them all.
    """

    def __init__(self, cores: int, folder: Path | None = None) -> None:
        place = folder or Path(tempfile.gettempdir())
        for core in range(cores):
            path = place / f"yolorknn-rknpu{core}.lock"
            try:
                lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            except OSError as exc:
                raise BackendError(f"cannot claim an NPU core by {path}: {reason_of(exc)}") from exc
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            except OSError as exc:
                os.close(lock)
                raise BackendError(f"cannot claim an NPU core by {path}: {reason_of(exc)}") from exc
            self.core, self._lock = core, lock
            return
        raise BackendError(
            f"all {cores} NPU cores of this machine are taken by other workers: start its node with as many "
            f"{{'rknpu': {cores}}}, see 'yolorknn node'"
        )

    def close(self) -> None:
        """Give it back; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def claimed(model: str, *, simulate: bool) -> CoreClaim | None:
    """Return the core that runs a model here; None where there is none to be chosen.

    Args:
        model: the name of its file.
        simulate: whether the vendor's simulator runs it.

    Raises:
        BackendError: other processes have them all.
    """
    board = this_platform()
    if board is None or not board.core_mask or not model.endswith(".rknn") or simulate:
        return None
    return CoreClaim(board.cores)
