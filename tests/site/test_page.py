"""The page of a site: there while the site asks for it, whatever comes and goes."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend
from tests.site.conftest import Rig, ticking
from yolorknn.errors import OutputError
from yolorknn.tracking.tracking import Tracking

for package in ("av", "starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package)


@pytest.fixture
def served() -> Iterator[RtspCamera]:
    with RtspCamera(encoded(fps=50)) as camera:
        yield camera


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def asked(port: int, path: str, values: Any = None) -> Any:
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/{path}", data, {"Content-Type": "application/json"},
        method="GET" if values is None else "PATCH",
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def names(port: int) -> list[str]:
    return [camera["name"] for camera in asked(port, "cameras")["cameras"]]


def test_cameras_come_and_go_on_the_page_and_it_comes_and_goes(rig: Rig, served: RtspCamera, port: int) -> None:
    a, b = (f'[cameras.{name}]\nsource = "{served.url}"\n' for name in "ab")
    page = f"[page]\nport = {port}\n"
    rig.write(a + page)
    with rig.keeper() as keeper:
        assert rig.said(f"the page is at http://127.0.0.1:{port}") and names(port) == ["a"]
        rig.write(a + b + page)
        keeper.reload()
        assert names(port) == ["a", "b"]
        until(lambda: all(camera["up"] for camera in asked(port, "cameras")["cameras"]))
        rig.write(a)
        keeper.reload()
        with pytest.raises(urllib.error.URLError):
            asked(port, "cameras")
        rig.write(b + page)
        keeper.reload()
        assert names(port) == ["b"]
        assert keeper._page._page is not None and keeper._page._page._server is not None
        keeper._page._page._server.should_exit = True  # as if it died

        def back() -> bool:
            with suppress(OSError):
                return rig.said("the page ended") and names(port) == ["b"]
            return False

        ticking(keeper, back)


def test_models_come_and_go_and_the_page_goes_on_to_measure(rig: Rig, served: RtspCamera, port: int) -> None:
    """What cores do and whether all get on is looked at each second, however many models there are."""
    a, b = (f'[cameras.{name}]\nsource = "{served.url}"\nmodel = "{name}"\n' for name in "ab")
    models = {name: f'[models.{name}]\nfile = "m.rknn"\n' for name in "ab"}
    page = f"[page]\nport = {port}\n"
    counts = iter((1, 2, 2))  # of cores that a model is opened on; models share them
    rig.cores = lambda: [WholeBackend(0.005, looks=False) for _ in range(next(counts))]

    def cores() -> int:
        return len(asked(port, "status")["system"]["cores"])

    rig.write(a + b + page, models["a"] + models["b"])
    with rig.keeper() as keeper:
        until(lambda: cores() == 2)
        rig.write(a + page, models["a"])
        keeper.reload()
        until(lambda: cores() == 1)
        rig.write(a + b + page, models["a"] + models["b"])
        keeper.reload()
        until(lambda: cores() == 2)


def test_what_is_changed_there_stays(rig: Rig, served: RtspCamera, port: int) -> None:
    """Over a reload and another run; what nobody changed follows the file."""
    text = f'[cameras.a]\nsource = "{served.url}"\n[page]\nport = {port}\n'
    rig.write(text)

    def settings() -> Any:
        return asked(port, "cameras/a/settings")

    def differing() -> int:
        return sum(event.text.startswith("a: zones stay as they were changed on the page") for event in rig.told)

    with rig.keeper() as keeper:
        assert settings()["conf"] == 0.25 and settings()["zones"] == {}
        zone = {"door": [[0, 0], [1, 0], [1, 1]]}
        asked(port, "cameras/a/settings", {"zones": zone})
        rig.write(text, '[models.demo]\nfile = "m.rknn"\nconf = 0.6\n')
        keeper.reload()
        assert settings()["conf"] == 0.6 and settings()["zones"].keys() == {"door"}
        assert differing() == 1, "who changes zones in the file is told that they do not count"
        keeper.reload()
        assert differing() == 1, "once"
        other = '[zones.yard]\ncamera = "a"\npolygon = [[0, 0], [1, 0], [1, 1]]\n'
        rig.write(text + other)
        keeper.reload()
        assert differing() == 2 and settings()["zones"].keys() == {"door"}
    with rig.keeper():
        assert differing() == 3 and settings()["zones"].keys() == {"door"}


def test_a_port_that_is_taken_ends_the_beginning(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        rig.write(f'[cameras.a]\nsource = "camera63"\n[page]\nport = {taken}\n')
        with pytest.raises(OutputError, match="cannot serve the page"), rig.keeper():
            pass


def test_a_zone_drawn_there_is_not_called_like_a_line(rig: Rig, served: RtspCamera, port: int) -> None:
    """It is refused; and one that was kept so is told of its camera, and the zones of the site count."""
    text = f"""[cameras.a]
source = "{served.url}"
[page]
port = {port}
[zones.yard]
camera = "a"
polygon = [[0, 0], [1, 0], [1, 1]]
"""
    line = '[track]\n[lines.gate]\ncamera = "a"\nstart = [0, 0.5]\nend = [1, 0.5]\n'
    pytest.importorskip("trackers", reason="tracking needs trackers and numpy 2")
    rig.write(text + line)
    square = {"gate": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    kept = rig.folder / "state/settings-demo.json"
    with rig.keeper():
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked(port, "cameras/a/settings", {"zones": square})
        assert refused.value.code == 422 and "two zones or lines are called 'gate'" in refused.value.read().decode()
        assert not kept.exists()
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps({"cameras": {"a": {"zones": square}}}))
    with rig.keeper() as keeper:
        (tracking,) = next(iter(keeper._parts))._followed.steps["a"]
        assert isinstance(tracking, Tracking)
        assert [zone.name for zone in tracking.zones] == ["yard"]
        assert [line.name for line in tracking.lines] == ["gate"]
        assert [event.camera for event in rig.told if "two zones or lines" in event.text] == ["a"]
