"""Detection in an asyncio web service: POST a picture to /detect, get JSON.

python examples/web_service.py MODEL     # pip install starlette uvicorn
curl --data-binary @bus.jpg http://127.0.0.1:8000/detect
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import cv2
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from yolorknn import Detector

MOST, LARGEST = 8, 10 << 20  # requests at once, and bytes of a picture: what comes beyond is refused


def find(detector: Detector, body: bytes) -> list[dict[str, object]]:
    """Run on a thread, as a JPEG takes as long as the NPU. Threads share the detector; each waits for a core."""
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR) if body else None
    if image is None:
        raise HTTPException(400, "this is no picture")
    found = detector.detect(image)
    return [{"name": detector.names[id_], "confidence": conf, "xyxy": xyxy.tolist()} for xyxy, conf, id_ in found]


async def detect(request: Request) -> JSONResponse:
    """Wait for a thread, while the event loop answers others."""
    state = request.app.state
    if int(request.headers.get("content-length", LARGEST + 1)) > LARGEST:
        raise HTTPException(413, f"a picture has at most {LARGEST >> 20} MB, and says how many")
    body = await request.body()
    if state.room.locked():
        raise HTTPException(503, "too many at once", {"Retry-After": "1"})
    async with state.room:
        loop = asyncio.get_running_loop()
        return JSONResponse(await loop.run_in_executor(state.threads, find, state.detector, body))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Load the model once, before the first request, and free it after the last."""
    app.state.room = asyncio.Semaphore(MOST)
    with Detector(sys.argv[1]) as app.state.detector, ThreadPoolExecutor(4) as app.state.threads:
        yield


app = Starlette(routes=[Route("/detect", detect, methods=["POST"])], lifespan=lifespan)
if __name__ == "__main__":
    uvicorn.run(app, limit_concurrency=4 * MOST)  # connections, whose bodies take memory while they come
