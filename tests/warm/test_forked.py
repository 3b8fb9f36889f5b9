"""What is forked is a process like one that was started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.waiting import until
from tests.warm.forked import Forked, Warm

SHOWN = """
import json, os, sys, threading
if __name__ == "__main__":
    print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), os.getsid(0) == os.getpid(), sys.path[0]]))
    print(threading.active_count(), os.listdir("/proc/self/fd").__len__(), file=sys.stderr)
    {then}
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    warm = Warm("decimal", environment={**os.environ, "WARM": "yes"})
    yield warm
    warm.close()


def forked(warm: Warm, folder: Path, then: str) -> tuple[int, str, str]:
    """Return what a script comes to: exit status, stdout, stderr."""
    (folder / "script.py").write_text(SHOWN.format(then=then))
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = warm.start(
            [str(folder / "script.py"), "é", "b"], cwd=folder, stdout=out.fileno(), stderr=err.fileno()
        )
        process.stdin.close()
        code = process.wait(60)
    return code, (folder / "out").read_text(), (folder / "err").read_text()


@pytest.mark.parametrize("then", ["pass", "sys.exit(3)", "sys.exit('no')", "1 / 0", "os.kill(os.getpid(), 9)"])
def test_it_is_and_ends_as_one_that_was_started(warm: Warm, tmp_path: Path, then: str) -> None:
    found = forked(warm, tmp_path, then)
    command = [sys.executable, str(tmp_path / "script.py"), "é", "b"]
    done = subprocess.run(
        command, cwd=tmp_path, env=warm.environment, text=True, capture_output=True, check=False,
        stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert found[:2] == (done.returncode, done.stdout)
    theirs, ours = done.stderr.splitlines(), found[2].splitlines()
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])


def test_it_is_interrupted_and_waited_for(warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\nprint('here', flush=True)\nsys.stdin.read()\n")
    with (tmp_path / "out").open("wb") as out:
        running: list[Forked] = [
            warm.start([str(tmp_path / "script.py")], cwd=tmp_path, stdout=out.fileno(), stderr=out.fileno())
            for _ in range(2)
        ]
        until(lambda: (tmp_path / "out").read_text().count("here") == 2)
        with pytest.raises(subprocess.TimeoutExpired):
            running[0].wait(0.05)
        assert running[0].poll() is None
        os.kill(running[0].pid, signal.SIGINT)
        assert running[0].wait(60) == -signal.SIGINT and running[1].poll() is None
        for each in running:
            each.stdin.close()
        assert running[1].wait(60) == 0
