"""Waiting for what another process does and tells nobody."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

LONGEST = 60.0
"""Seconds after which it is taken not to happen: far more than it takes anywhere."""


def until(happens: Callable[[], object], *, by: subprocess.Popen | None = None) -> None:
    """Return once it happens; fail where the process that is to do it ends before."""
    last = time.monotonic() + LONGEST
    while not happens():
        assert by is None or by.poll() is None, f"{by.args!r} ended with {by.returncode} before it happened"
        assert time.monotonic() < last, f"it did not happen in {LONGEST:g} seconds"
        time.sleep(0.02)
