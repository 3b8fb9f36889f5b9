"""The sinks of a site where what they write to is dead."""

from __future__ import annotations

import json
import os
import threading
from typing import Any
from unittest.mock import Mock

import pytest

from tests.fakes.results import BOX, detections, result
from tests.fakes.watched import WATCHED
from tests.site.conftest import SINKS, Rig
from yolorknn.errors import OutputError
from yolorknn.site import sinks as module
from yolorknn.site.read import read_site
from yolorknn.site.sinks import SiteSinks
from yolorknn.stream.result import Result
from yolorknn.stream.sinks import opening
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.tasks.task import Wording


def test_sinks_that_cannot_finish_wait_together_and_hold_up_no_watchdog(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a minute: one after another they would be killed, and a watchdog hears nothing meanwhile."""
    asked = threading.Event()
    together = threading.Barrier(3)

    def finish() -> None:
        together.wait(10)
        assert asked.wait(10)

    def opened(*_: Any, **__: Any) -> Mock:
        return Mock(close=finish, state=None)

    monkeypatch.setattr(module, "open_segments", opened)
    monkeypatch.setattr(module, "SLICE", 0.01)
    cameras = [f'[cameras.c{number}]\nsource = "camera63"\n' for number in range(3)]
    site = read_site(rig.write("".join(cameras) + '[sinks]\nrecord = "recordings"\n'))
    sinks = SiteSinks(rig.told.append, lambda _: Health(0.0), asked.set)
    sinks.fit(site, dict.fromkeys(site.cameras, Wording.of(WATCHED)))
    sinks.close()
    assert not together.broken


def test_what_waits_is_said_in_the_words_of_the_model_that_found_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink may be slow, and another model with other classes take over meanwhile."""
    held = threading.Event()
    written = JsonLines.write

    def slowly(self: JsonLines, found: Result[Any]) -> None:
        held.wait(10)
        written(self, found)

    monkeypatch.setattr(JsonLines, "write", slowly)
    site = read_site(rig.write('[cameras.yard]\nsource = "camera63"\n' + SINKS))
    sinks = SiteSinks(rig.told.append, lambda _: Health(0.0), held.set)
    sinks.fit(site, {"yard": Wording({0: "hen", 1: "fox"})})
    sinks.write(result(found=detections((*BOX[:2], 1)), camera="yard"))
    sinks.fit(site, {"yard": Wording({0: "car", 1: "bus"})})
    sinks.write(result(1, found=detections((*BOX[:2], 1)), camera="yard"))
    sinks.close()
    said = [json.loads(line)["detections"][0]["name"] for line in (rig.folder / "found.jsonl").read_text().splitlines()]
    assert said == ["fox", "bus"]


def test_a_pipe_that_nobody_reads_holds_up_nothing(rig: Rig) -> None:
    """To open it would wait for a reader, and with it what looks after cameras and models: that is tried again."""
    os.mkfifo(rig.folder / "found.jsonl")
    site = read_site(rig.write('[cameras.yard]\nsource = "camera63"\n' + SINKS))
    sinks = SiteSinks(rig.told.append, lambda _: Health(0.0))
    words = {"yard": Wording({0: "hen"})}
    with pytest.raises(OutputError, match=r"found\.jsonl: nobody reads it"):
        sinks.fit(site, words)
    reader = os.open(rig.folder / "found.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    sinks.fit(site, words)
    sinks.write(result(found=detections((*BOX[:2], 0)), camera="yard"))
    sinks.close()
    assert json.loads(os.read(reader, 9999))["camera"] == "yard"
    os.close(reader)


def test_who_reads_a_pipe_sees_no_end_as_it_is_opened(rig: Rig) -> None:
    """Or it goes, and `detect camera0 --json PIPE` waits for another reader."""
    pipe = rig.folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    first: list[JsonLines] = []

    class Watched(JsonLines):
        def close(self) -> None:
            if not first:
                first.append(self)
                super().close()
                with pytest.raises(BlockingIOError):  # there is one who writes; else this is the end
                    os.read(reader, 1)
            else:
                super().close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "JsonLines", Watched)
        opening.open_json(pipe, Wording({0: "hen"}), None, live=True, told=lambda _: None).close()
    assert first
    os.close(reader)
