"""The stand-in for librknnrt.so that the emulated board has."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.standin import Library
from yolorknn.runtime import recovering
from yolorknn.runtime.patience import Patience


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    from tests.board.board import DATA  # skips where this is no board

    for name in [name for name in os.environ if name.startswith("STANDIN_")]:
        monkeypatch.delenv(name)
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    library.set(REPLAY=DATA / "replay.bin")
    yield library
    library.check()


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = functools.partial(Patience, first=60, factor=5, least=4)
    monkeypatch.setattr(recovering, "Patience", patience)
