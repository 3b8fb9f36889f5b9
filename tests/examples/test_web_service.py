"""examples/web_service.py: answers what the detector finds, refuses what it cannot take, and is never held up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from tests.examples.loaded import Held, example
from tests.examples.test_examples import IMAGES, found
from yolorknn import BackendError, Detector


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for package in ("starlette", "uvicorn", "httpx"):
        pytest.importorskip(package)
    monkeypatch.setattr(sys, "argv", ["web_service.py", str(DEMO_ONNX)])
    return example("web_service")


@asynccontextmanager
async def client_of(service: ModuleType) -> AsyncIterator[Any]:
    """Begin the service, and end it after the block."""
    import httpx

    async with (
        service.lifespan(service.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://here") as client,
    ):
        yield client


@needs_ort
def test_web_service(service: ModuleType) -> None:
    """What it answers is what the detector finds; what is no picture, or too large, is refused in words."""
    results, names = found(0.25)

    async def asked() -> None:
        async with client_of(service) as client:
            for path, detections in list(zip(IMAGES, results, strict=True))[:3]:
                rows = (await client.post("/detect", content=path.read_bytes())).json()
                assert [row["name"] for row in rows] == [names[number] for number in detections.class_id]
                assert np.allclose(np.reshape([row["xyxy"] for row in rows], (-1, 4)), detections.xyxy)
            for body in (b"", b"no picture", IMAGES[0].read_bytes()[:100]):
                refused = await client.post("/detect", content=body)
                assert (refused.status_code, refused.text) == (400, "this is no picture")
            assert (await client.post("/detect", content=bytes(service.LARGEST + 1))).status_code == 413

            async def of_no_length() -> AsyncIterator[bytes]:
                yield IMAGES[0].read_bytes()

            assert (await client.post("/detect", content=of_no_length())).status_code == 413

    asyncio.run(asked())
    with pytest.raises(BackendError, match="the model is closed"):
        service.app.state.detector.detect(IMAGES[0])


def test_web_service_answers_while_the_npu_works(service: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop is free while the only core is held, and what is more than MOST at once is refused."""
    core, picture, most = Held(), IMAGES[0].read_bytes(), service.MOST
    monkeypatch.setattr(service, "Detector", lambda model: Detector(model, backends=[core]))

    async def asked() -> None:
        async with client_of(service) as client:
            waiting = [asyncio.create_task(client.post("/detect", content=picture)) for _ in range(most)]
            while not service.app.state.room.locked():
                await asyncio.sleep(0.01)
            assert (await client.get("/detect")).status_code == 405
            refused = await client.post("/detect", content=picture)
            assert (refused.status_code, refused.text) == (503, "too many at once")
            assert refused.headers["Retry-After"] == "1" and not any(task.done() for task in waiting)
            core.go.set()
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * most
            assert (await client.post("/detect", content=picture)).status_code == 200

    asyncio.run(asyncio.wait_for(asked(), 60))
