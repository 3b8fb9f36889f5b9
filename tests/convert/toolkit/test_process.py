"""The environment that the child process gets, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, needs_torch
from tests.fakes.forks import forked
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.process import Ended, Process, Raised


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


def test_a_process_that_is_gone_is_not_killed_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives it to another one; a session whose process ended may be closed hours later."""
    ended: list[bool] = []
    end = os.killpg

    def killpg(number: int, sign: int) -> None:
        ended.append(os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None)
        end(number, sign)

    monkeypatch.setattr(os, "killpg", killpg)
    process = Process(Log(tmp_path / "x.log"), python=Path(sys.executable))  # never a forked one
    process._process.kill()
    with pytest.raises(Ended, match="SIGKILL"):
        process.ask("del", "1", {})
    process.close()
    with pytest.raises(Ended, match="SIGKILL"):
        process.ask("del", "1", {})
    assert ended == [True], "once, while it could still be waited for"


def test_a_process_that_is_forked_neither_asks_nor_ends_it(tmp_path: Path) -> None:
    """Each of the two would take the other's answers; what the forked one closes, the other still uses."""
    process = Process(Log(tmp_path / "x.log"), python=Path(sys.executable))
    assert "open the model after the fork" in forked(lambda: process.ask("del", "1", {}))
    assert forked(process.close) == "ended" and process.scratch.is_dir()
    with pytest.raises(Raised):
        process.ask("load", "1", {})
    process.close()
    assert not process.scratch.exists()
