"""Runs tests/board on the emulated board, once for each version of the vendor's wheel and once without.

What the NPU would answer is in the fixture `board_data`; scripts/board-emulator.sh makes the board.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, needs_toolkit
from tests.fakes.emulated_board import PYTHON, needs_board

pytestmark = [pytest.mark.emulator, pytest.mark.slow, needs_board, needs_toolkit]


@pytest.mark.parametrize("wheel", ["newest", "none"])
def test_the_board(board_data: Path, wheel: str) -> None:
    run_tests(board_data, wheel)


@pytest.mark.exhaustive
@pytest.mark.parametrize("wheel", ["2.3.2", "newest", "none"])
def test_every_code_on_the_board(board_data: Path, wheel: str) -> None:
    run_tests(board_data, wheel, "--all")


def run_tests(board_data: Path, wheel: str, *options: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    environment |= {"YOLORKNN_BOARD_DATA": str(board_data), "PYTHONPATH": str(ROOT), "LITE": wheel}
    command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", *options, "tests/board"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    print(done.stdout[-20000:], done.stderr[-5000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    reasons = (
        ("of the vendor's wheel", "the same with every wheel") if wheel == "none" else ("the same with every wheel",)
    )
    assert " passed" in done.stdout and all(any(reason in line for reason in reasons) for line in skipped)
    assert bool(skipped) == (wheel != "newest")
