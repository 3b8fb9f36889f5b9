"""The process's memory: how much it is, and how to keep it small."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_M_ARENA_MAX = -8  # glibc's malloc.h


def resident_mb(process: int | None = None) -> float:
    """Return the resident memory of a process, this one by default, in MiB; 0 of one that has ended.

    Raises:
        OSError: there is no such process.
    """
    pages = int(Path(f"/proc/{process or 'self'}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def share_arena() -> None:
    """Have all threads allocate from one arena, as MALLOC_ARENA_MAX=1 does; without glibc nothing is done.

    Else glibc keeps for each thread that infers what the most outputs under way at once ever took: some 5 MB each.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give the system back what was freed; without glibc nothing is done. It takes some milliseconds.

    By itself glibc gives back only what is at the end of its memory: eight cameras that fail in turn held 10 to 15 MB.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
