"""What the tests of sites share: a keeper on simulated cores, and no thread left behind."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clips import encoded
from tests.fakes.mosquitto import broker
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rtsp import RtspCamera
from tests.fakes.site_files import WHOLE
from tests.fakes.waiting import until
from tests.fakes.watched import WATCHED, WholeBackend
from tests.stream.conftest import no_thread_is_left
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.predict.detector import Detector
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.site.events import Event
from yolorknn.site.keeper import Keeper
from yolorknn.site.opened import thresholds_of
from yolorknn.site.read import read_site
from yolorknn.site.tables import ModelTable

__all__ = ["broker", "no_thread_is_left"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a site file is, with the model that GOOD names."""
    (tmp_path / "m.onnx").write_bytes(WHOLE)
    return tmp_path


def write_model(path: Path, **changed: Any) -> Path:
    """Write a model that WholeBackend runs, changed in what its metadata says."""
    metadata = {**WATCHED.__dict__, "build": Build("rk3588", "i8", "2.3.2"), **changed}
    return write_rknn(path, ModelMetadata(**metadata))


@dataclass
class Rig:
    """A folder with a model and a site file, and what is told of it."""

    folder: Path
    cores: Callable[[], list[WholeBackend]] = lambda: [WholeBackend(0.005, looks=False) for _ in range(2)]
    told: list[Event] = field(default_factory=list)
    opened: list[list[WholeBackend]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """The site file."""
        return self.folder / "site.toml"

    def write(self, text: str, model: str = '[models.demo]\nfile = "m.rknn"\n') -> Path:
        """Write the site file."""
        self.file.write_text(model + text)
        return self.file

    def open(self, table: ModelTable) -> LoadedModel[Any]:
        """Open a model on simulated cores."""
        self.opened.append(self.cores())
        return Detector(
            table.file, conf=table.conf, classes=table.classes, backends=self.opened[-1], iou=thresholds_of(table).iou
        )

    def keeper(self, **options: Any) -> Keeper:
        """Return a keeper of the site file."""
        return Keeper(
            read_site(self.file),
            file=self.file,
            tell=self.told.append,
            opened=self.open,
            tried=lambda *_: None,
            **options,
        )

    def said(self, words: str) -> bool:
        """Tell whether something was told."""
        return any(words in event.text for event in list(self.told))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig with a model, whose file is looked at often."""
    monkeypatch.setattr("yolorknn.site.keeper.LOOK", 0.1)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    write_model(tmp_path / "m.rknn")
    return Rig(tmp_path)


def ticking(keeper: Keeper, happens: Callable[[], object]) -> None:
    """Have it look after things until something happens."""

    def looked() -> object:
        keeper.tick()
        return happens()

    until(looked)


@pytest.fixture
def served() -> Iterator[list[RtspCamera]]:
    pytest.importorskip("av", reason="PyAV is not installed")
    made = [RtspCamera(encoded(fps=50), login=("me", "s3cret")) for _ in range(2)]
    yield made
    for camera in made:
        camera.close()


def camera(name: str, served: RtspCamera, more: str = "") -> str:
    return f'[cameras.{name}]\nsource = "{served.url}"\n{more}\n'


def lines(path: Path) -> Counter[str]:
    """Count the whole lines of a file by camera."""
    text = path.read_text() if path.exists() else ""
    return Counter(json.loads(line)["camera"] for line in text.splitlines(keepends=True) if line.endswith("\n"))


def turn(keeper: Keeper, seconds: float = 0.0) -> None:
    """Have it look after things, for some seconds."""
    last = time.monotonic() + seconds
    keeper.tick()
    while time.monotonic() < last:
        time.sleep(0.05)
        keeper.tick()


SINKS = '[sinks]\njson = "found.jsonl"\n'
