"""A process that is killed amid its work."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def killed(code: str, *words: str, lines: int, delay: float) -> list[str]:
    """Run Python code, kill it some time after it told so many lines, and return those that it told after these."""
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.communicate(timeout=30)[0].splitlines()
