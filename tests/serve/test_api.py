"""/api/v1: what programs are told, and what they change."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from tests.fakes.clips import number_in
from tests.fakes.served import CELLS, NAMES, Served
from tests.fakes.waiting import until

V1 = "/api/v1"


def record(ask: httpx.Client, camera: str = "door") -> Any:
    return ask.get(f"{V1}/cameras/{camera}/detections").raise_for_status().json()


def picture(data: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.asarray(found)


def test_every_camera_is_told_of_and_one_that_failed_says_why(ask: httpx.Client) -> None:
    cameras = {camera["name"]: camera for camera in ask.get(f"{V1}/cameras").json()["cameras"]}
    assert list(cameras) == ["door", "yard", "attic"]
    assert cameras["door"]["up"] and cameras["door"]["classes"] == list(NAMES)
    assert (cameras["door"]["width"], cameras["door"]["height"]) == (320, 256)
    until(lambda: ask.get(f"{V1}/cameras/attic").json()["why"])
    attic = ask.get(f"{V1}/cameras/attic").json()
    assert not attic["up"] and "127.0.0.1:9" in attic["why"] and attic["since"] <= time.time()
    assert "secret" not in json.dumps([*cameras.values(), attic])


def test_where_nothing_is_detected_in_the_frames_that_come_it_is_not_healthy(
    ask: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two cameras that give frames and one that failed; it is well again once results come."""
    assert ask.get("/healthz").json() == {"status": "ok"}
    frozen = served.watcher.status()
    with monkeypatch.context() as patch:
        patch.setattr("yolorknn.live.progress.PATIENCE", 0.5)
        patch.setattr("yolorknn.live.progress.FRAMES", 0.1)
        patch.setattr(served.watcher, "status", lambda: frozen)
        until(lambda: ask.get("/healthz").status_code == 503)
        assert ask.get("/healthz").json() == {"status": "hung"}
    until(lambda: ask.get("/healthz").status_code == 200)


def test_a_camera_of_which_few_frames_are_wanted_is_ready_between_two(
    ask: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tuple(replace(status, detect_age=25.0) for status in served.watcher.status())
    monkeypatch.setattr(served.watcher, "status", lambda: old)
    assert ask.get("/readyz").status_code == 503
    monkeypatch.setattr(served.watcher, "cameras", [replace(each, fps=0.1) for each in served.watcher.cameras])
    assert ask.get("/readyz").status_code == 200


def test_what_is_found_is_what_the_model_found(ask: httpx.Client) -> None:
    found = record(ask)
    assert [box["name"] for box in found["detections"]] == ["n0", "n1", "n2"]
    for box, cell in zip(found["detections"], CELLS, strict=True):
        assert box["xyxy"] == pytest.approx(cell.xyxy, abs=0.5)
        assert box["confidence"] == pytest.approx(cell.confidence, abs=0.01)
    every = ask.get(f"{V1}/detections").json()["detections"]
    assert [entry["camera"] for entry in every] == ["door", "yard"]
    assert [entry["camera"] for entry in ask.get(f"{V1}/detections?camera=yard").json()["detections"]] == ["yard"]


def test_a_snapshot_is_the_newest_picture_and_with_boxes_if_wanted(ask: httpx.Client, served: Served) -> None:
    numbers = set()
    for _ in range(3):
        answer = ask.get(f"{V1}/cameras/door/snapshot").raise_for_status()
        assert abs(float(answer.headers["x-timestamp"]) - time.time()) < 2
        plain = picture(answer.content)
        assert plain.shape == (256, 320, 3)
        numbers.add(number_in(plain))
        time.sleep(0.15)
    assert len(numbers) > 1, "it moves"
    drawn = picture(ask.get(f"{V1}/cameras/door/snapshot?annotated=true").content)
    x1, y1 = CELLS[0].xyxy[:2]
    edge = drawn[round(y1) + 20 : round(y1) + 60, round(x1) - 1 : round(x1) + 2]
    assert np.ptp(edge.mean(axis=(0, 1))) > 40 > np.ptp(plain[100:140, 50:60].mean(axis=(0, 1)))


def test_conf_and_classes_act_at_once_and_below_what_the_model_began_with(ask: httpx.Client, served: Served) -> None:
    def names(camera: str = "door") -> list[str]:
        return [box["name"] for box in record(ask, camera)["detections"]]

    url = f"{V1}/cameras/door/settings"
    assert ask.patch(url, json={"conf": 0.7}).json()["conf"] == 0.7
    until(lambda: names() == ["n0"])
    assert names("yard") == ["n0", "n1", "n2"]
    ask.patch(url, json={"conf": 0.05, "classes": ["n2", "n1"]}).raise_for_status()
    until(lambda: names() == ["n1", "n2"])
    assert served.detector.thresholds.conf == 0.05
    zones = {"gate": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}
    assert ask.patch(url, json={"conf": 0.25, "classes": None, "zones": zones}).json()["zones"] == zones
    until(lambda: names() == ["n0", "n1", "n2"])
    lines = {"kerb": [[0.1, 0.95], [0.9, 0.95]]}
    assert ask.get(url).json() == {"conf": 0.25, "classes": None, "zones": zones, "lines": lines}
    assert ask.get(f"{V1}/status").json()["settings"]["door"]["zones"] == zones


@pytest.mark.parametrize(
    ("method", "path", "status", "sent"),
    [
        ("GET", "/cameras/none", 404, {}),
        ("GET", "/cameras/none/snapshot", 404, {}),
        ("GET", "/detections?camera=none", 404, {}),
        ("GET", "/stream?camera=none", 404, {}),
        ("GET", "/nothing", 404, {}),
        ("GET", "/cameras/attic/detections", 503, {}),
        ("GET", "/cameras/door/snapshot?annotated=maybe", 422, {}),
        ("DELETE", "/cameras", 405, {}),
        ("PATCH", "/cameras/none/settings", 404, {"json": {}}),
        ("PATCH", "/cameras/door/settings", 415, {"content": b"{}"}),
        ("PATCH", "/cameras/door/settings", 422, {"json": {"conf": 2}}),
        ("PATCH", "/cameras/door/settings", 422, {"json": []}),
        (
            "PATCH", "/cameras/door/settings", 422,
            {"content": b"[" * 60000, "headers": {"content-type": "application/json"}},
        ),
        ("PATCH", "/cameras/door/settings", 413, {"json": {"x": "x" * 70000}}),
        ("POST", "/detect", 422, {"content": b"no image"}),
        ("POST", "/detect?conf=nan", 422, {"content": b""}),
        ("POST", "/detect?camera=none", 404, {"content": b""}),
        ("POST", "/detect", 413, {"content": bytes((16 << 20) + 1)}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(
    ask: httpx.Client, method: str, path: str, status: int, sent: dict[str, Any]
) -> None:
    answer = ask.request(method, f"{V1}{path}", **sent)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] and "\n" not in answer.json()["error"]


def test_an_image_that_is_sent_is_looked_at(ask: httpx.Client, served: Served) -> None:
    image = np.full((512, 640, 3), 90, np.uint8)
    for suffix in (".jpg", ".png", ".webp", ".bmp"):
        answer = ask.post(f"{V1}/detect", content=cv2.imencode(suffix, image)[1].tobytes()).raise_for_status().json()
        assert (answer["width"], answer["height"]) == (640, 512)
        assert answer["detections"][0]["xyxy"] == pytest.approx([2 * side for side in CELLS[0].xyxy], abs=1)
    few = ask.post(f"{V1}/detect?conf=0.5&camera=yard", content=cv2.imencode(".png", image)[1].tobytes()).json()
    assert [box["name"] for box in few["detections"]] == ["n0", "n1"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:300], "not a readable image"),
        (cv2.imencode(".tiff", np.zeros((64, 64, 3), np.uint8))[1].tobytes(), "no JPEG, PNG, WebP or BMP"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0", "at most 32 million pixels"),
    ],
)
def test_an_image_that_is_none_is_not_decoded(ask: httpx.Client, data: bytes, words: str) -> None:
    answer = ask.post(f"{V1}/detect", content=data)
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_a_camera_that_is_lost_is_told_of_and_the_other_goes_on(ask: httpx.Client, served: Served) -> None:
    served.cameras[1].down("rst")
    until(lambda: not ask.get(f"{V1}/cameras/yard").json()["up"])
    yard, door = ask.get(f"{V1}/cameras/yard").json(), ask.get(f"{V1}/cameras/door").json()
    assert yard["why"] and yard["state"] == "waiting" and door["up"]
    assert any("yard" in event["text"] for event in ask.get(f"{V1}/events").json()["events"])
    served.cameras[1].up()
    until(lambda: ask.get(f"{V1}/cameras/yard").json()["up"])


def test_the_document_names_what_there_is(ask: httpx.Client) -> None:
    document = ask.get(f"{V1}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path in document["paths"]:
        for method in document["paths"][path]:
            if "stream" in path or path.endswith(("mjpeg", "events")):
                continue
            answer = ask.request(method, f"{V1}{path.replace('{camera}', 'door')}", json={})
            assert str(answer.status_code) in document["paths"][path][method]["responses"], (method, path)


def test_a_clock_that_is_set_changes_no_span(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a board without a clock of its own, some time after it began."""
    watched = served.watched
    real = time.time

    def spans(ahead: float) -> tuple[float, float]:
        attic = next(camera for camera in watched.cameras() if camera["name"] == "attic")
        return watched.system()["uptime"], real() + ahead - attic["since"]

    before, ahead = spans(0.0), 56 * 365 * 86400.0
    monkeypatch.setattr("yolorknn.serve.watched.time.time", lambda: real() + ahead)
    assert spans(ahead) == pytest.approx(before, abs=60)
