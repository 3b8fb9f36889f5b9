"""Processes that are forked amid work."""

from __future__ import annotations

import os
import select
import signal
import warnings
from collections.abc import Callable

from tests.fakes.waiting import LONGEST
from yolorknn.errors import YolorknnError


def forked(work: Callable[[], object]) -> str:
    """Return what a process that is forked now is told when it works, or that it ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, of a fork beside threads
        child = os.fork()
    if child == 0:
        try:
            work()
            os.write(writing, b"ended")
        except YolorknnError as exc:
            os.write(writing, str(exc).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as said:
        try:
            assert select.select([said], [], [], LONGEST)[0], "the process hangs"
            return said.read()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
