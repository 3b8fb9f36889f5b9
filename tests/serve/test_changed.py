"""Those who look while cameras come and go."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import closing
from typing import Any, cast

import httpx
import pytest
from starlette.exceptions import HTTPException

from tests.fakes.results import NAMES, result
from tests.fakes.waiting import until
from yolorknn.errors import InputError
from yolorknn.live.watcher import Watcher
from yolorknn.serve import hub as hub_module
from yolorknn.serve import streams
from yolorknn.serve.app import build_app
from yolorknn.serve.hub import Hub
from yolorknn.serve.shots import Look, record_bytes
from yolorknn.serve.uploads import Uploads
from yolorknn.serve.watched import Watched
from yolorknn.stream.result import Result
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


def test_a_camera_of_that_name_that_came_later_has_no_picture_of_the_one_before() -> None:
    async def looked(hub: Hub) -> object:
        bell = streams._shots(hub, [Look("door")], 5)  # has pictures kept
        hub.write(result(camera="door"))
        await asyncio.wait_for(anext(bell), 10)
        hub.fit({"yard": Wording(NAMES)})
        hub.fit(DOOR)
        return await streams.snapshot(hub, Look("door"), 0.1)

    with closing(Hub(DOOR)) as hub:
        assert asyncio.run(looked(hub)) is None


def test_who_listens_is_told_of_results_that_were_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more come than become records, as of many masks."""
    held = threading.Event()
    monkeypatch.setattr(hub_module, "MOST_PENDING", 4)

    def slowly(newest: Result[Any], wording: Wording) -> bytes:
        held.wait(10)
        return record_bytes(newest, wording)

    async def heard(hub: Hub) -> bytes:
        told = streams.events(hub, None)
        await anext(told)
        hub.write(result(camera="door"))
        until(lambda: not hub._pending)
        for _ in range(7):
            hub.write(result(camera="door"))
        held.set()
        said = b""
        while said.count(b"data: {") < 6:  # five results, and how many went
            said += await asyncio.wait_for(anext(told), 10)
        assert hub.dropped == 3
        return said

    monkeypatch.setattr(hub_module, "record_bytes", slowly)
    with closing(Hub(DOOR)) as hub:
        hub._pending = deque(maxlen=4)
        assert b'event: missed\ndata: {"missed": 3}' in asyncio.run(heard(hub))


def test_who_listens_hears_results_in_the_words_of_the_model_that_found_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait to become records while another model takes over."""
    held = threading.Event()

    def slowly(newest: Result[Any], wording: Wording) -> bytes:
        held.wait(10)
        return record_bytes(newest, wording)

    async def heard(hub: Hub) -> bytes:
        told = streams.events(hub, ["door"])
        await anext(told)
        for _ in range(2):
            hub.write(result(camera="door"))
        hub.fit({"door": Wording({number: f"other {number}" for number in NAMES})})
        held.set()
        said = b""
        while said.count(b"data: {") < 2:
            said += await asyncio.wait_for(anext(told), 10)
        return said

    monkeypatch.setattr(hub_module, "record_bytes", slowly)
    with closing(Hub(DOOR)) as hub:
        assert b"other" not in asyncio.run(heard(hub))


def test_an_image_that_is_sent_while_no_model_runs_is_refused_in_words() -> None:
    """As between a failure and the next try."""

    async def asked(hub: Hub) -> httpx.Response:
        app = build_app(Watched([], hub), streams.Streams(), None, {})
        asking = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=asking, base_url="http://localhost") as client:
            return await client.post("/api/v1/detect", content=b"BM")

    with closing(Hub(DOOR)) as hub:
        answer = asyncio.run(asked(hub))
    assert answer.status_code == 503 and answer.json() == {"error": "no model runs just now"}


def test_images_that_come_slowly_are_not_too_many() -> None:
    """Each takes as much memory as an image may have."""

    async def asked() -> list[object]:
        arrived = asyncio.Event()
        uploads, watcher = Uploads(), cast("Watcher", None)

        async def read() -> bytes:
            await arrived.wait()
            return b"no image"

        coming = [asyncio.ensure_future(uploads.detect(watcher, read, None)) for _ in range(9)]
        done, _ = await asyncio.wait(coming, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        arrived.set()
        said = await asyncio.gather(*coming, return_exceptions=True)
        assert [one in done for one in coming] == [False] * 8 + [True]
        return [type(each) for each in said]

    assert asyncio.run(asked()) == [InputError] * 8 + [HTTPException]
