"""Those who look while cameras come and go."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from tests.fakes.results import NAMES, result
from yolorknn.serve import streams
from yolorknn.serve.hub import Hub
from yolorknn.serve.shots import Look
from yolorknn.tasks.task import Wording

DOOR = {"door": Wording(NAMES)}


def test_who_listens_to_all_hears_a_camera_that_came_later() -> None:
    async def heard(hub: Hub) -> bytes:
        told = streams.events(hub, None)
        await anext(told)
        hub.fit({**DOOR, "yard": Wording(NAMES)})
        hub.write(result(camera="yard"))
        return await asyncio.wait_for(anext(told), 10)

    with closing(Hub(DOOR)) as hub:
        assert b'"camera": "yard"' in asyncio.run(heard(hub))


def test_who_looks_is_told_of_other_classes() -> None:
    """Or the page offers those of a model that is not there any more."""
    hellos = iter([b"one", b"one", b"two", b"two"])

    async def looked(hub: Hub) -> bytes:
        parts = streams.mixed(hub, [Look("door")], lambda: next(hellos), lambda: b"how it is", every=0.01)
        return b"".join([await asyncio.wait_for(anext(parts), 10) for _ in range(5)])

    with closing(Hub(DOOR)) as hub:
        said = asyncio.run(looked(hub))
    assert said.count(b"one") == said.count(b"two") == 1 and said.index(b"one") < said.index(b"two")


def test_pictures_of_a_camera_that_is_gone_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or each who looks at it would keep a place for ever."""

    async def looked(hub: Hub) -> bytes:
        hub.write(result(camera="door"))
        shown = streams.mjpeg(hub, Look("door"))
        await anext(shown), await anext(shown)
        hub.fit({"yard": Wording(NAMES)})
        return await asyncio.wait_for(anext(shown, b"the end"), 10)

    monkeypatch.setattr(streams, "QUIET", 0.01)
    with closing(Hub(DOOR)) as hub:
        assert asyncio.run(looked(hub)) == b"the end"
