"""Contexts are opened one after the other, whatever model's they are: none then waits for another's hang to end."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator

SLICE_SECONDS = 0.25
"""The longest wait between two looks at how long one may wait."""
_turns: dict[int, tuple[threading.Condition, deque[object]]] = {}
"""By process: who waits, the first of whom opens one. A process that is forked has not the threads of these."""


@contextlib.contextmanager
def turn(patience: Callable[[], float]) -> Iterator[bool]:
    """Wait until nobody else opens a context; what is yielded tells whether that was in time.

    Args:
        patience: how many seconds more one may wait, infinite for any; the shortest counts.
    """
    changed, waiting = _turns.setdefault(os.getpid(), (threading.Condition(), deque()))
    ticket, left = object(), math.inf
    try:
        with changed:
            waiting.append(ticket)
            while waiting[0] is not ticket and left > 0:
                changed.wait(SLICE_SECONDS)
                left = min(left - SLICE_SECONDS, patience())
        yield waiting[0] is ticket
    finally:  # whatever came of it, Ctrl-C too
        with changed:
            if ticket in waiting:
                waiting.remove(ticket)
            changed.notify_all()
