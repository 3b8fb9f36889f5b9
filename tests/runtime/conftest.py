"""A pretended RK3588 with the stand-in for librknnrt, compiled for this machine; and cores that follow a script."""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.encode import encode_split
from tests.fakes.pictured import IMGSZ, METADATA, of, picture
from tests.fakes.rknn_files import write_rknn
from tests.fakes.scripted_core import Core
from tests.fakes.standin import Library, compile_standin, key_of, write_replay
from yolorknn.image import letterbox
from yolorknn.model.platforms import PLATFORMS
from yolorknn.runtime import cores, recovering, rknn_api
from yolorknn.runtime.patience import Patience


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_standin(tmp_path_factory.mktemp("standin"))


@pytest.fixture
def library(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A pretended RK3588 with the library, which answers each of eight pictures with one cell."""
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(standin),))
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])
    patience = functools.partial(Patience, opening=3, first=1, least=0.5, factor=5)
    monkeypatch.setattr(recovering, "Patience", patience)
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    answers = {
        key_of(letterbox(picture(number), IMGSZ)[0]): encode_split(METADATA, [of(number)]) for number in range(8)
    }
    library.set(SOC="rk3588", REPLAY=write_replay(tmp_path / "replay.bin", answers))
    yield library
    library.let_go()
    gc.collect()
    library.check()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_rknn(tmp_path / "m.rknn", METADATA)


@pytest.fixture
def core() -> Iterator[Callable[..., Core]]:
    made: list[Core] = []

    def make(*scripts: list[object] | Exception | str) -> Core:
        made.append(Core(*scripts))
        return made[-1]

    yield make
    for one in made:
        one.go_on.set()
    gc.collect()
    for thread in [thread for thread in threading.enumerate() if thread.name == "yolorknn-npu"]:
        thread.join(5)
        assert not thread.is_alive()
    for one in made:
        assert [context.closed for context in one.opened] == [1] * len(one.opened), "each context is released once"
