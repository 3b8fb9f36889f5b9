"""An sshd of the tests' own, on a port of its own, and `yolorknn deploy` through it onto the emulated board."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes import sshd
from tests.fakes.emulated_board import BOARD, needs_board

ON_THE_BOARD = [
    pytest.mark.emulator,
    pytest.mark.slow,
    needs_board,
    needs_toolkit,
    needs_ort,
    pytest.mark.skipif(bool(sshd.unavailable()), reason=sshd.unavailable()),
]
BARE = str(BOARD / "bin/python3")
MODEL = "demo-rk3588-i8.rknn"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    server = sshd.Sshd(tmp_path_factory.mktemp("sshd") / "server")
    yield server
    server.close()


def command(server: sshd.Sshd, model: Path, *options: str, key: str = "key", host: str = "") -> list[str]:
    words = [sys.executable, "-m", "yolorknn", "deploy", str(model), host or server.host, "--port", str(server.port)]
    for option in server.options(key):
        words += ["--ssh-option", option]
    return [*words, *options]


def deploy(server: sshd.Sshd, model: Path, *options: str, key: str = "key") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(BOARD / "wheels")}
    words = command(server, model, *options, key=key)
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=400, env=environment)


def refused(server: sshd.Sshd, model: Path, *options: str, key: str = "key") -> str:
    """Deploy what must fail with one sentence; return it."""
    done = deploy(server, model, *options, key=key)
    assert done.returncode == 1 and done.stdout == "", done
    *steps, last = done.stderr.splitlines()
    assert last.startswith("error: ") and all(step.startswith(f"{server.host}$ ") for step in steps), done.stderr
    return last


@pytest.fixture(scope="module")
def model(board_data: Path, server: sshd.Sshd) -> Path:
    server.set(STANDIN_REPLAY=str(board_data / "replay.bin"))
    return board_data / MODEL
