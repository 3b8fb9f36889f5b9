"""The environment that the child process gets."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, needs_torch


@needs_torch
@pytest.mark.parametrize("threads", [None, "3"])
def test_ultralytics_does_not_change_the_vendors_threads(threads: str | None) -> None:
    """Where it is not set, `import ultralytics` sets OMP_NUM_THREADS to 1: the same recipe then built another model."""
    code = (
        "import os, ultralytics\n"
        "from yolorknn.convert.toolkit.process import environment\n"
        "print(os.environ['OMP_NUM_THREADS'], environment('x').get('OMP_NUM_THREADS'))"
    )
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env |= {"OMP_NUM_THREADS": threads} if threads else {}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == f"{threads or 1} {threads}"
