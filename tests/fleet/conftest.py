"""Three boards that are this PC behind sshd's of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import sshd
from tests.fakes.standin_board import Standins


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standins]:
    if why := sshd.unavailable():
        pytest.skip(why)
    pytest.importorskip("onnxruntime")
    standins = Standins(tmp_path_factory.mktemp("three"))
    yield standins
    standins.close()


@pytest.fixture
def boards(three: Standins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Standins:
    """They are reached by the names board1, board2 and board3, and find what the PC finds."""
    monkeypatch.setenv("PATH", f"{three.folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    three.reach()
    for board in three.boards:
        board.finds()
        board.asked()
    return three
