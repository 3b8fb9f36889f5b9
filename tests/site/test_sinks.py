"""The sinks of a site where what they write to is dead."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest

from tests.fakes.watched import WATCHED
from tests.site.conftest import Rig
from yolorknn.site import sinks as module
from yolorknn.site.read import read_site
from yolorknn.site.sinks import SiteSinks
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
