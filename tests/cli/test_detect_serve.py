"""detect --serve: a camera with a page, for as long as it is let."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.clips import encoded
from tests.fakes.commands import misused, refused, replace_function, run
from tests.fakes.rtsp import RtspCamera
from tests.fakes.served import FindsThree
from tests.fakes.waiting import until
from tests.fakes.watched import watched_detector
from yolorknn.live.watcher import Watcher

pytest.importorskip("av", reason="PyAV is not installed")
TOKEN = "a-token-of-the-tests-0123456789"


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("YOLORKNN_SERVE_TOKEN", raising=False)
    made = watched_detector(tmp_path, [FindsThree(0.005, looks=False)])
    return replace_function(monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", made)


@pytest.fixture
def camera() -> Iterator[str]:
    with RtspCamera(encoded(), login=("me", "s3cret")) as made:
        yield made.url


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have a function called while it watches, and then have it end."""
    return lambda called: monkeypatch.setattr(Watcher, "wait", lambda _: called())


def test_what_it_serves(
    camera: str, port: int, tmp_path: Path, meanwhile: Callable[[Callable[[], None]], None], detector: Any
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "camera").write_text(camera)

    def look() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as ask:
            assert ask.get("/api/v1/cameras").status_code == 401
            ask.headers["Authorization"] = f"Bearer {TOKEN}"
            until(lambda: ask.get("/readyz").status_code == 200)
            (found,) = ask.get("/api/v1/cameras").json()["cameras"]
            record = ask.get(f"/api/v1/cameras/{found['name']}/detections").json()
            assert [box["name"] for box in record["detections"]] == ["n0", "n1"]
            zones = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
            sent = {"conf": 0.2, "zones": zones}
            ask.patch(f"/api/v1/cameras/{found['name']}/settings", json=sent).raise_for_status()
            until(
                lambda: (
                    ask.get("/api/v1/detections").json()["detections"][0].get("zones") == {"all": {"n0": 1, "n1": 1}}
                )
            )

    meanwhile(look)
    done = run(
        "detect", f"@{tmp_path}/camera", "-m", "m.rknn", "--conf", 0.5, "--classes", "n0,1", "--json", tmp_path / "out",
        "--serve", f"0.0.0.0:{port}", "--serve-token", tmp_path / "token",
    )  # fmt: skip
    assert f":{port}" in done.stderr and "s3cret" not in done.stderr and TOKEN not in done.stderr
    assert detector.call["classes"] is None
    assert {json.loads(line)["camera"] for line in (tmp_path / "out").read_text().splitlines()}
    (kept,) = (tmp_path / "yolorknn").glob("settings-*.json")
    assert "s3cret" not in kept.name and "all" in kept.read_text()
    assert not list(tmp_path.glob("runs"))


def test_options_that_do_not_count_are_told(
    port: int, tmp_path: Path, meanwhile: Callable[[Callable[[], None]], None]
) -> None:
    """What was changed on the page is kept over runs."""
    kept = tmp_path / "yolorknn" / "settings-camera63.json"
    kept.parent.mkdir()
    kept.write_text('{"cameras": {"camera63": {"conf": 0.9, "classes": null, "zones": {}}}}')
    meanwhile(lambda: None)
    done = run("detect", "camera63", "-m", "m.rknn", "--zone", "a=0,0,1,0,1,1", "--serve", port)
    assert f"conf, zones stay as they were changed on the page, which {kept} keeps" in done.stderr


def test_what_is_refused_before_a_model_is_loaded(
    camera: str, tmp_path: Path, detector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "short").write_text("short")
    (tmp_path / "a.png").write_text("")
    for source, words, said in (
        (camera, ["--serve", "x"], "'x' is not a port"),
        (camera, ["--serve", "99999"], "'99999' is not a port"),
        (camera, ["--serve-token", tmp_path / "short"], "is for --serve"),
        (tmp_path / "a.png", ["--serve", "8080"], "is for a camera or stream"),
    ):
        assert said in misused("detect", source, "-m", "m.rknn", *words)
    assert "needs a token" in refused("detect", camera, "-m", "m.rknn", "--serve", "0.0.0.0:8080")
    word = refused("detect", camera, "-m", "m.rknn", "--serve", "8080", "--serve-token", tmp_path / "short")
    assert "16 characters" in word
    assert "cannot read" in refused(
        "detect", camera, "-m", "m.rknn", "--serve", "1", "--serve-token", tmp_path / "none"
    )
    monkeypatch.setenv("YOLORKNN_SERVE_TOKEN", "short")
    assert "16 characters" in refused("detect", camera, "-m", "m.rknn", "--serve", "0.0.0.0:8080")
    assert detector.calls == []


def test_a_port_that_is_taken(camera: str, detector: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("detect", camera, "-m", "m.rknn", "--serve", port)
    assert said == f"cannot serve the page on 127.0.0.1:{port}: Address already in use; give another port or address"
