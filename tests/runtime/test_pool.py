"""The pool keeps all that it lends, whatever comes between."""

from __future__ import annotations

import contextlib
import itertools
import linecache
import sys
import threading
import time
from types import FrameType
from typing import Any

from yolorknn.runtime import pool as module
from yolorknn.runtime.pool import Pool


class Nothing:
    """What is lent, by a core of its own or one that several share."""

    def __init__(self, core: int | None = None) -> None:
        self.core = core

    def close(self) -> None:
        """Do nothing."""


def at_a_lock(frame: FrameType) -> bool:
    """Tell whether a lock is taken or left there, which Python does without looking for signals."""
    return linecache.getline(module.__file__, frame.f_lineno).lstrip().startswith("with ")


def lend_until(line: int, pool: Pool[Nothing]) -> bool:
    """Lend one, with Ctrl-C at so many lines of the pool's own; return whether it came so far."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if event == "line" and frame.f_code.co_filename == module.__file__ and not at_a_lock(frame):
            count += 1
            if count == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(KeyboardInterrupt), pool.lend():
            pass
    finally:
        sys.settrace(before)
    return count >= line


def test_ctrl_c_at_any_line_of_lending_loses_none() -> None:
    """One that is not given back would have close() wait for ever, and a ticket left in the queue whoever asks."""
    for line in itertools.count(1):
        pool = Pool([Nothing(), Nothing()])
        if not lend_until(line, pool):
            break
        given: list[int] = []

        def lend_both(pool: Pool[Nothing] = pool, given: list[int] = given) -> None:
            with pool.lend(), pool.lend():
                given.append(2)
            pool.close()

        thread = threading.Thread(target=lend_both, daemon=True)
        thread.start()
        thread.join(5)
        assert given and not thread.is_alive(), f"after Ctrl-C at line {line}"
    assert line > 20


def test_a_core_is_in_use_once_however_many_of_its_contexts_are() -> None:
    pool = Pool([Nothing(0), Nothing(1), Nothing(0), Nothing(1)])
    start = time.perf_counter()
    with pool.lend(), pool.lend(), pool.lend():
        time.sleep(0.05)
    with pool.lend(), pool.lend():
        time.sleep(0.05)
    elapsed = time.perf_counter() - start
    assert pool.cores == len(pool.busy) == 2 and all(0.1 <= seconds <= elapsed for seconds in pool.busy)
    own = Pool([Nothing(), Nothing()])
    with own.lend():
        time.sleep(0.01)
    assert sorted(own.busy)[0] == 0 < sorted(own.busy)[1]
