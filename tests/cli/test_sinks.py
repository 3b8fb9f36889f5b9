"""Which sinks detect opens by its options, for files and for what is live, and what it says of their losses."""

from __future__ import annotations

import csv
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.backends import NUMBERS, number_detector
from tests.fakes.commands import Recorder, misused, refused, replace_function, run
from tests.fakes.numbered import numbered_frame, numbered_frames
from yolorknn.cli.outputs import Outputs
from yolorknn.cli.parse import parse_bytes, parse_rotation
from yolorknn.cli.sinks import open_sinks
from yolorknn.errors import OutputError, SourceError
from yolorknn.stream.run import run as run_stream
from yolorknn.stream.sinks.line_file import Rotation
from yolorknn.stream.sinks.mqtt.client import Lost
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.webhook import Webhook
from yolorknn.stream.sources.source import Frame
from yolorknn.tasks.task import Wording


class Camera:
    """Gives so many numbered frames, and is then unplugged or ends."""

    name, live, fps = "camera0", True, 30.0
    count: int | None = None

    def __init__(self, frames: int = 20, *, pause: float = 0.0) -> None:
        self.frames, self.pause, self.number = frames, pause, 0

    def read(self) -> Frame | None:
        if self.number == self.frames:
            return None
        time.sleep(self.pause)
        self.number += 1
        frame = numbered_frame(self.number - 1, NUMBERS.imgsz)
        return Frame(frame, 1000 + self.number / 30, self.name)

    def close(self) -> None:
        pass


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorder]:
    """Give the command a detector of numbers, and a camera as its source; work in an empty folder."""
    made = number_detector(tmp_path, cores=2)
    monkeypatch.setattr("yolorknn.stream.sources.open_live.open_live", lambda *_, **__: Camera(12, pause=0.005))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield replace_function(monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", made)
    made.close()


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_camera_into_lines_rows_and_a_video(detector: Recorder) -> None:
    done = run("detect", "camera0", "-m", "m.rknn", "--csv", "new/d.csv")
    assert sorted(path.name for path in Path("runs/detect/camera0").iterdir()) == ["camera0.mp4", "detections.jsonl"]
    frames = [line["frame"] for line in lines("runs/detect/camera0/detections.jsonl")]
    with open("new/d.csv", newline="") as opened:
        assert [int(row["frame"]) for row in csv.DictReader(opened)] == frames
    assert frames and frames == sorted(frames) and "lost" not in done.stderr


def test_older_lines_are_replaced(detector: Recorder) -> None:
    for name in ("d.jsonl", "d.csv"):
        Path(name).write_text("of yesterday\n")
    run("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", "--csv", "d.csv")
    assert lines("d.jsonl")[0]["source"] == "camera0" and "yesterday" not in Path("d.csv").read_text()


def test_rotation(detector: Recorder) -> None:
    run("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", "--rotate", "1K,1d", "--keep", "2")
    made = sorted(path.name for path in Path().iterdir())
    assert made == ["d.jsonl", "d.jsonl.1", "d.jsonl.2"]
    assert all(path.stat().st_size <= 1024 for path in Path().iterdir())


def test_a_disk_that_fills_up_ends_no_camera(detector: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutputError("cannot write d.jsonl: No space left on device")

    monkeypatch.setattr("yolorknn.stream.sinks.json_lines.JsonLines.write", full)
    done = run("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", "--csv", "d.csv")
    frames = int(re.findall(r"(\d+) frames in", done.stderr)[0])
    said = done.stderr.splitlines()
    assert "JSON lines: cannot write d.jsonl: No space left on device; results are lost until it works again" in said
    assert f"JSON lines: {frames} of {frames} results lost" in said
    assert len(Path("d.csv").read_text().splitlines()) == frames + 1


def test_a_file_that_cannot_be_made_is_an_error_at_once(detector: Recorder) -> None:
    Path("file").touch()
    assert refused("detect", "camera0", "-m", "m.rknn", "--csv", "file/d.csv").startswith("cannot write file/d.csv")


def test_a_camera_that_is_unplugged_leaves_its_lines(detector: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unplugged(Camera):
        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None:
                raise SourceError("camera0 stopped giving frames")
            return frame

    monkeypatch.setattr("yolorknn.stream.sources.open_live.open_live", lambda *_, **__: Unplugged(6, pause=0.005))
    words = ("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl")
    assert refused(*words).startswith("camera0 stopped giving frames")
    assert lines("d.jsonl")[0]["frame"] == 0


def test_an_input_is_no_csv(detector: Recorder) -> None:
    Path("m.rknn").touch()
    said = refused("detect", "camera0", "-m", "m.rknn", "--csv", "m.rknn")
    assert said.startswith("m.rknn is called like a picture, video or model")
    Path("m.csv").hardlink_to("m.rknn")
    detector.answer = number_detector(Path(".."))
    said = refused("detect", "camera0", "-m", "m.rknn", "--csv", "m.csv")
    assert said.startswith("m.csv is read, so nothing is written to it")
    assert misused("detect", "camera0", "-m", "m.rknn", "--csv", "-").endswith("is for a file; --json - prints")


def test_what_is_kept_of_a_camera(detector: Recorder, tmp_path: Path) -> None:
    """Segments are in place of the one video."""
    words = ("--record", "rec", "--snapshots", "shots", "--crops", "crops", "--every", "0", "--quota", "1M")
    run("detect", "camera0", "-m", "m.rknn", "--json", "d.jsonl", *words)
    found = [path.name for path in sorted(Path().rglob("camera0-*"))]
    frames = len(lines("d.jsonl"))
    (segment,) = [name for name in found if name.endswith((".mp4", ".mkv"))]
    assert re.fullmatch(r"camera0-000001-19700101T001640Z\.m..", segment)
    assert len([name for name in found if name.endswith("Z.jpg")]) == frames
    assert len([name for name in found if re.search(r"Z-.+\.jpg", name)]) == frames
    assert not Path("runs").exists()
    detector.answer = number_detector(tmp_path)
    run("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", "--snapshots", "few")
    assert len(list(Path("few").glob("*.jpg"))) == 1, "one in ten seconds"


def test_a_webhook(detector: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its URL may stand in a file, its secret in the environment: neither is on the command line, or in a message."""
    posted: list[tuple[str, str, str]] = []

    def post(sink: Webhook, body: bytes, delivery: str) -> tuple[str, bool]:
        posted.append((vars(sink)["_url"], vars(sink)["_secret"], json.loads(body)["source"]))
        return ("it answers 403", False)

    monkeypatch.setattr(Webhook, "_post", post)
    monkeypatch.setenv("YOLORKNN_WEBHOOK_SECRET", "s3cr3t")
    Path("url").write_text("https://me:pw@server/hook/token\nmore\n")
    done = run("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", "--webhook", "@url")
    assert posted == [("https://server/hook/token", "s3cr3t", "camera0")], "once in ten seconds"
    assert "webhook: cannot post to https://server: it answers 403; results" in done.stderr
    assert "webhook: 1 of 1 results lost" in done.stderr
    assert not any(word in done.stderr for word in ("pw", "token", "s3cr3t"))
    detector.answer = number_detector(Path(".."))
    for url, why in (("@absent", "cannot read absent of --webhook"), ("server", "a webhook needs a URL as https")):
        assert refused("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d", "--webhook", url).startswith(
            why
        )
        detector.answer = number_detector(Path(".."))


def test_a_password_that_others_see(detector: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a camera and of a webhook: each is said once, and never shown."""
    monkeypatch.setattr(Webhook, "_post", lambda *_: ("", False))
    hook = ("--webhook", "https://me:s3cret@server/hook")
    done = run("detect", "rtsp://me:s3cret@cam/live", "-m", "m.rknn", "--no-save", "--json", "d.jsonl", *hook)
    for where in ("SOURCE", "--webhook"):
        assert done.stderr.count(f"ps shows the password in {where} to everybody on this machine") == 1
    assert "s3cret" not in done.stderr


STUCK = {
    "json": ("yolorknn.stream.sinks.line_file.LineFile.write", Outputs(json_file="d.jsonl")),
    "csv": ("yolorknn.stream.sinks.csv_rows.CsvRows.write", Outputs(csv_file=Path("d.csv"))),
    "video": ("yolorknn.stream.sinks.video.VideoWriter.write", Outputs()),
    "record": ("yolorknn.stream.sinks.segments.Segments.write", Outputs(record=Path("rec"))),
    "snapshots": ("yolorknn.stream.sinks.shelf.Shelf.finish", Outputs(snapshots=Path("shots"), every=0)),
    "crops": ("yolorknn.stream.sinks.shelf.Shelf.finish", Outputs(crops=Path("crops"), every=0)),
    "webhook": ("yolorknn.stream.sinks.webhook.Webhook._post", Outputs(webhook="http://127.0.0.1:9", every=0)),
    "mqtt": ("yolorknn.stream.sinks.mqtt.client.Client.connect", Outputs(mqtt="mqtt://127.0.0.1:9")),
}


@pytest.mark.parametrize("kind", STUCK)
def test_detection_goes_on_beside_each_sink_that_is_stuck(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All frames are detected while the sink is in one call that does not return; what it holds is bounded."""
    if kind == "mqtt":
        pytest.importorskip("paho.mqtt")
    stuck, outputs = STUCK[kind]
    go = threading.Event()

    def wait(*_: object, **__: object) -> tuple[str, bool]:
        assert go.wait(60)
        raise OutputError("it was stuck") if kind != "mqtt" else Lost("it was stuck")

    monkeypatch.setattr(stuck, wait)
    monkeypatch.setattr("yolorknn.stream.sinks.opening.LATEST", 16)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with (
        number_detector(tmp_path, 2, 0.001) as detector,
        detector.stream(numbered_frames(150, NUMBERS.imgsz)) as stream,
    ):
        wording = Wording.of(detector.metadata)
        sinks: list[Sink] = list(open_sinks(outputs, Camera(), tmp_path / "run", [], wording))
        summary = run_stream(stream, sinks, counted=lambda _: None, skipped=unexpected)
        assert summary.frames == 150
        states = [sink.state for sink in sinks if isinstance(sink, Queued)]
        assert all(state.waiting <= 64 for state in states)
        assert kind == "mqtt" or sum(state.lost for state in states) >= 150 - 64 - 2
    go.set()
    for sink in sinks:
        sink.close()


def unexpected(exc: SourceError) -> None:
    raise exc


def test_what_cannot_be_recorded(detector: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Images(Camera):
        live, fps = False, 0.0

    monkeypatch.setattr("yolorknn.stream.sources.open_live.open_source", lambda _: Images())
    assert refused("detect", "in", "-m", "m.rknn", "--record", "rec").startswith("--record is for a video, camera")
    assert misused("detect", "in", "-m", "m.rknn", "--quota", "lots").startswith("Invalid value for --quota: 'lots'")
    assert misused("detect", "in", "-m", "m.rknn", "--board", "pi").endswith(
        "--board: is for --mqtt, which names the broker"
    )


@pytest.mark.parametrize("text", ["", "0", "1x", "-1", "1M,", "1 day", "d", "\u0661M"])
def test_a_size_or_age_that_is_none(text: str, detector: Recorder) -> None:
    said = misused("detect", "camera0", "-m", "m.rknn", "--rotate", text)
    assert said.startswith("Invalid value for --rotate: '") and said.endswith("is not a size: give it as 500M or 10G")
    assert detector.calls == []


def test_sizes_and_ages() -> None:
    assert [parse_bytes(text, "") for text in ("7", "1k", "500M", "10 GB")] == [7, 1024, 500 << 20, 10 << 30]
    assert parse_rotation("100M,12h", 3) == Rotation(100 << 20, 43200.0, 3)
    assert parse_rotation("7d", 9) == Rotation(None, 604800.0, 9) and parse_rotation(None, 9) is None
