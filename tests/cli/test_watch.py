"""`yolorknn watch`, as a user and as systemd runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import DEMO_ONNX, needs_ort
from tests.fakes.clips import encoded
from tests.fakes.commands import refused, run
from tests.fakes.rtsp import RtspCamera
from tests.fakes.trees import Tree, model_for
from tests.fakes.waiting import until
from yolorknn.cli.app import app
from yolorknn.deploy.service import FINAL
from yolorknn.errors import RestartsError
from yolorknn.site.schema import schema

SITE = '[models.demo]\nfile = "m.onnx"\n[cameras.door]\nsource = "@door.source"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "m.onnx").write_bytes(DEMO_ONNX.read_bytes())
    (tmp_path / "door.source").write_text("rtsp://me:s3cret@127.0.0.1:9/live\n")
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path / "site.toml"


def test_check(site: Path) -> None:
    done = run("watch", site, "--check")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{site}: 1 camera, 1 model: nothing is wrong with it\n"
    site.write_text(SITE + "fpz = 1\nsize = 3\n")
    done = CliRunner().invoke(app, ["watch", str(site), "--check"])
    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.splitlines() == [
        f"error: {site}:5: cameras.door.fpz: there is no such key; did you mean fps?",
        f"error: {site}:6: cameras.door.size: must be a list of 2, not 3",
    ]


def test_the_schema_is_printed() -> None:
    done = run("watch", "--schema")
    assert done.exit_code == 0 and json.loads(done.stdout) == schema()


class Service:
    """What systemd hears, on a real socket."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = folder / "notify"
        self._socket.bind(str(self.path))
        self._heard: list[str] = []
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def _hear(self) -> None:
        while (said := self._socket.recv(4096).decode()) != "end":
            self._heard += said.splitlines()

    def heard(self) -> list[str]:
        """Return all lines so far."""
        return list(self._heard)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.sendto(b"end", str(self.path))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def other(model: Path) -> bytes:
    """Return a model that finds the same, in other bytes."""
    onnx: Any = pytest.importorskip("onnx")
    loaded = onnx.load(str(model))
    loaded.doc_string = "another one"
    return bytes(loaded.SerializeToString())


@pytest.mark.slow
@needs_ort
def test_a_process_from_its_begin_to_sigterm(site: Path, service: Service) -> None:
    """Ready, reloaded, refused, its model another one, and ended at once; no password anywhere."""
    pytest.importorskip("av")
    found, err = site.parent / "found.jsonl", site.parent / "err.txt"
    environment = {**os.environ, "NOTIFY_SOCKET": str(service.path), "WATCHDOG_USEC": "2000000"}
    sinks = '[sinks]\njson = "found.jsonl"\nrecord = "rec"\n'
    with RtspCamera(encoded(), login=("me", "s3cret")) as camera, err.open("w") as words:
        (site.parent / "door.source").write_text(f"{camera.url}\n")
        site.write_text(SITE + sinks)
        command = [sys.executable, "-m", "yolorknn", "watch", str(site), "--log", "json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=words, env=environment)

        def told(text: str) -> bool:
            return any(text in json.loads(line)["message"] for line in err.read_text().splitlines(keepends=True)
                       if line.endswith("\n"))  # fmt: skip

        until(lambda: "READY=1" in service.heard(), by=process)
        until(lambda: "WATCHDOG=1" in service.heard() and found.exists() and found.read_text(), by=process)
        until(lambda: any(line.startswith("STATUS=1 of 1 cameras up") for line in service.heard()), by=process)
        site.write_text(SITE + sinks + '[cameras.gone]\nsource = "camera63"\n')
        process.send_signal(signal.SIGHUP)
        until(lambda: told("cameras new: gone"), by=process)
        assert not told("log changed"), "what --log says is no change"
        assert service.heard().index("RELOADING=1") < len(service.heard()) - service.heard()[::-1].index("READY=1")
        site.write_text("[nonsense]")
        process.send_signal(signal.SIGHUP)
        until(lambda: told("all goes on as it was"), by=process)
        model = site.parent / "m.onnx"
        (site.parent / "new").write_bytes(other(model))
        os.replace(site.parent / "new", model)
        until(lambda: told("demo goes on with"), by=process)
        count = len(found.read_text().splitlines())
        until(lambda: len(found.read_text().splitlines()) > count + 5, by=process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 130
    until(lambda: service.heard()[-1] == "STOPPING=1")
    assert len(list(site.parent.glob("m.*.onnx"))) == 2
    records = [json.loads(line) for line in err.read_text().splitlines()]
    assert all({"time", "level", "event", "message"} <= set(record) for record in records)
    assert records[0]["event"] == "begun" and records[-1]["message"] == "stopped"
    assert {record.get("camera") for record in records if record["event"] == "camera"} <= {"gone", "door"}
    numbers = [(line["epoch"], line["frame"]) for line in map(json.loads, found.read_text().splitlines())]
    assert numbers == sorted(set(numbers)) and {epoch for epoch, _ in numbers} == {1}
    assert list((site.parent / "rec").glob("door-*.mp4")) and not list((site.parent / "rec").glob("*.part.*"))
    assert "s3cret" not in err.read_text() + found.read_text() + "".join(service.heard())


@needs_ort
def test_a_model_that_does_not_open_is_one_sentence(site: Path) -> None:
    (site.parent / "m.onnx").write_bytes(b"\x08\x08\x3a\x00")  # whole, and nothing in it
    assert "does not take" in refused("watch", site)
    (site.parent / "m.onnx").write_bytes(b"none")
    for words in ([], ["--check"]):
        done = CliRunner().invoke(app, ["watch", str(site), *words])
        assert done.exit_code == 78 and f"{site}:2: models.demo.file: " in done.stderr


@pytest.mark.parametrize(("form", "up", "status"), [("text", 3600, 69), ("json", 3600, 69), ("text", 20, 1)])
def test_a_board_without_its_npu_is_not_begun_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, up: float, status: int
) -> None:
    """As after an upgrade to a kernel without the driver: one line with what mends it, and the unit stays ended.

    While the board starts, its devices may yet come.
    """
    monkeypatch.setattr("yolorknn.cli.watch.time.clock_gettime", lambda _: up)
    tree = Tree(tmp_path / "root")
    tree.remove("/sys/kernel/debug/rknpu", "/sys/module/rknpu")
    monkeypatch.setattr("yolorknn.doctor.examine.Machine", lambda: tree.machine)
    (tmp_path / "site.toml").write_text(SITE.replace("m.onnx", "m.rknn").replace("@door.source", "camera63"))
    model_for(tmp_path)
    done = CliRunner().invoke(app, ["watch", str(tmp_path / "site.toml"), "--log", form])
    assert done.exit_code == status and 69 in FINAL and 1 not in FINAL
    (line,) = done.stderr.splitlines()
    assert "yolorknn doctor finds: kernel 6.1.84-vendor-rk35xx has no rknpu driver" in line and "sudo apt" in line


@needs_ort
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_part_that_is_given_up_has_its_own_status(site: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Which the unit does not begin again on; SIGHUP is as it was before."""

    def give_up(*_: object) -> None:
        raise RestartsError("model demo failed again after 5 restarts in 60 s: no NPU core is left")

    monkeypatch.setattr("yolorknn.site.keeper.Keeper.run", give_up)
    before = signal.getsignal(signal.SIGHUP)
    done = CliRunner().invoke(app, ["watch", str(site), "--log", form])
    assert done.exit_code == 69 and "given up: model demo failed again after 5 restarts" in done.stderr
    assert signal.getsignal(signal.SIGHUP) == before
