"""What a board is asked for: what is installed there, what its doctor finds, and how its cameras do."""

from __future__ import annotations

import http.client
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yolorknn.deploy.answers import answered, digest_of, text_of
from yolorknn.deploy.install import OWN, Installed
from yolorknn.deploy.placed import doctor_there
from yolorknn.deploy.probe import from_home
from yolorknn.deploy.ssh import Remote
from yolorknn.errors import DeployError
from yolorknn.model.kept import COPY
from yolorknn.text import reason_of

MOST_BYTES = 4 << 20
"""Of an answer of the page."""
PATIENCE = 15.0
"""Seconds for it."""
_INSTALLED = """
import hashlib, importlib.metadata, json, re, sys
from pathlib import Path
models = [path for path in sorted(Path().glob("*.rknn")) if not re.fullmatch(sys.argv[1], path.name)]
digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models}
print(json.dumps([importlib.metadata.version("yolorknn"), digests]))
"""


@dataclass(frozen=True)
class Camera:
    """How a camera does."""

    name: str
    up: bool
    fps: float
    """Frames a second that are detected in."""
    age: float | None
    """Seconds since the newest of them arrived; None before the first."""


@dataclass(frozen=True)
class BoardFacts:
    """What a board says of itself; None is what it does not say."""

    yolorknn: str
    models: dict[str, str]
    """sha256 by the file's name."""
    driver: str | None
    librknnrt: str | None
    temperature: float | None
    """Of the hottest zone, in degrees Celsius."""
    problems: tuple[str, ...]
    """What the doctor finds that keeps it from working."""
    cameras: tuple[Camera, ...] | None
    page: str
    """Why the page says nothing of cameras; empty where it does."""


def ask(remote: Remote, *, folder: str, port: int, token: str | None) -> BoardFacts:
    """Ask a board.

    Args:
        remote: an open connection.
        folder: on the board, below its home folder.
        port: of the page on the board's own loopback.
        token: of the page.

    Raises:
        DeployError: there is no yolorknn, or what it says is none of its answers.
    """
    place = from_home(folder)
    done = remote.run(OWN, "-c", _INSTALLED, COPY, folder=place, show=f"{OWN} -c ...  # versions, models")
    if done.status != 0:
        what = f"{remote.host} has no yolorknn in {folder}, where deploy puts it"
        raise DeployError(f"{what}: deploy to it, or give its --folder ({done.reason})")
    answer = remote.answer(done)
    with answered(remote, answer):
        version, models = text_of(answer[0]), {text_of(name): digest_of(value) for name, value in answer[1].items()}
    said = {finding.check: finding for finding in doctor_there(remote, Installed(place, ""))}
    cameras, degrees, why = _of_page(remote, port, token)
    heat = re.search(r"(-?\d+) °C", said["temperature"].text) if "temperature" in said else None
    return BoardFacts(
        version,
        models,
        driver=said["NPU driver"].text if "NPU driver" in said else None,
        librknnrt=said["librknnrt"].text if "librknnrt" in said else None,
        temperature=degrees if degrees is not None else float(heat[1]) if heat else None,
        problems=tuple(finding.text for finding in said.values() if finding.status == "problem"),
        cameras=cameras,
        page=why,
    )


def _of_page(remote: Remote, port: int, token: str | None) -> tuple[tuple[Camera, ...] | None, float | None, str]:
    """Return how cameras do, the degrees of the hottest zone, and why neither is known."""
    headers = {"Connection": "close", **({"Authorization": f"Bearer {token}"} if token else {})}
    with remote.reach(port) as reached:
        reached.settimeout(PATIENCE)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.sock = reached
        try:
            connection.request("GET", "/api/v1/status", headers=headers)
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES)
        except ConnectionError:  # ssh closes it where nothing listens there
            return None, None, f"no page on port {port}"
        except (OSError, http.client.HTTPException) as exc:
            return None, None, f"no answer on port {port}: {reason_of(exc)}"
    if answer.status != 200:
        wants = "wants another token" if token else "wants a token"
        return None, None, f"the page {wants if answer.status == 401 else f'answered {answer.status}'}"
    try:
        said = json.loads(body)
        cameras = tuple(_cameras(said["cameras"]))
        degrees = [_number(value) for value in said["system"]["temperatures"].values()]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None, None, f"what answers on port {port} is no page of yolorknn"
    return cameras, max(degrees, default=None), ""


def _cameras(said: Any) -> Iterator[Camera]:
    for camera in said:
        age = camera["detect_age"]
        up, fps = camera["up"] is True, _number(camera["detect_fps"])
        yield Camera(text_of(camera["name"]), up, fps, None if age is None else _number(age))


def _number(value: Any) -> float:
    """Return a number.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)
