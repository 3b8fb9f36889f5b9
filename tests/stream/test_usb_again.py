"""A USB camera that is unplugged and plugged in again: under which name it is opened, and what it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.connections import Connection, frame, lost, slowly
from tests.fakes.usb import UsbCamera, needs_shim
from yolorknn.stream.sources import open_live as module
from yolorknn.stream.sources.device_links import links_to
from yolorknn.stream.sources.open_live import open_live


def test_one_that_comes_back_under_another_number_is_opened_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another camera that has its number by then is left alone."""
    for name in ("video0", "video1"):
        (tmp_path / name).touch()
    link = tmp_path / "v4l/by-id/usb-one"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "video0")
    opened = list[str]()

    def plug_in_again() -> Exception:
        link.unlink()
        link.symlink_to(tmp_path / "video1")
        return lost("unplugged")

    def connect(named: str, **_: Any) -> Connection:
        opened.append(named if named == "camera0" else Path(named).resolve().name)
        return Connection(slowly(frame()), plug_in_again if len(opened) == 1 else slowly(frame()))

    monkeypatch.setattr(module, "open_connection", connect)
    monkeypatch.setattr(module, "device_of", lambda _: tmp_path / "video0")
    monkeypatch.setattr(module, "links_to", functools.partial(links_to, folder=tmp_path / "v4l"))
    source = open_live("camera0")
    got = [given.epoch for _ in range(2) if (given := source.read())]
    source.close()
    assert got == [1, 2] and opened == ["camera0", "video1"]


@pytest.fixture
def usb(tmp_path: Path) -> Iterator[UsbCamera]:
    made = UsbCamera(tmp_path)
    yield made
    made.close()


WATCHING = """
import time
from pathlib import Path
from yolorknn.stream.backoff import Backoff
from yolorknn.stream.sources import v4l2_api as api
from yolorknn.stream.sources.returning import QUICK, ReturningSource
from yolorknn.stream.sources.v4l2 import V4l2Camera
asked, waits, call = [], [], V4l2Camera._call

def noted(self, number, what):
    if number == api.SET_FORMAT:
        asked.append([what.width, what.height, bytes(what.pixels).decode()])
    call(self, number, what)

class Short(Backoff):
    def wait(self, *, at_least=0.0):
        waits.append(super().wait(at_least=at_least))
        return 0.01

V4l2Camera._call = noted
source = ReturningSource(lambda: V4l2Camera(Path({device!r}), name="camera0", patience=0.12), source="camera0",
                         name="x", told=lambda _: None, backoff=Short(quick=QUICK, chance=lambda *_: 0.0))
first = source.read()
"""


@needs_shim
def test_opening_it_again_asks_for_what_it_has_and_ever_more_seldom(usb: UsbCamera) -> None:
    """Another size resets the bus, and with it the cameras beside; so does one that is asked without a pause."""
    usb.run(WATCHING.format(device=str(usb.device)))
    usb.does("unplug")
    usb.run("while len(waits) < QUICK + 4: source.take(); source.watch(); time.sleep(0.01)")
    usb.does("run")
    usb.run("again = source.read()\nwhile again.epoch == 1: again = source.read()")
    asked, waits = usb.run("source.close()", "[asked, waits]")
    assert len(asked) == 2 and asked[0] == asked[1] == [64, 48, "YUYV"]
    assert waits[9:14] == [1.0, 2.0, 4.0, 8.0, 16.0]
