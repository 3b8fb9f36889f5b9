"""The stand-in for librknnrt.so that the emulated board has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.standin import Library


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    from tests.board.board import DATA  # skips where this is no board

    for name in [name for name in os.environ if name.startswith("STANDIN_")]:
        monkeypatch.delenv(name)
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    library.set(REPLAY=DATA / "replay.bin")
    yield library
    library.check()
