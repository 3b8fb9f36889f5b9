"""Boards over adb: the real toolkit and its own adb, against no board and against a stand-in of an adb server.

What a board's rknn_server answers is not known here: inference and measurements on a board are untested, but for the
reading of what the vendor prints.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_toolkit
from tests.fakes.backends_of import attached
from tests.fakes.waiting import until
from yolorknn.cli.app import app
from yolorknn.convert import device
from yolorknn.convert.device import measure
from yolorknn.convert.toolkit import adb
from yolorknn.errors import BackendError, InferenceError, ModelError
from yolorknn.tasks.known import output_shapes
from yolorknn.toolkits.installed import Installed

SERIAL = "0123456789ABCDEF"
Boards = Callable[[str], Path]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    number = free_port()
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(number))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return number


@pytest.fixture
def boards(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boards]:
    """Start an adb server that knows these boards; return the file of what it is asked."""
    started: list[subprocess.Popen[bytes]] = []

    def start(devices: str) -> Path:
        log = tmp_path / "adb.log"
        environment = {**os.environ, "FAKE_ADB_DEVICES": devices, "FAKE_ADB_LOG": str(log)}
        started.append(subprocess.Popen([sys.executable, ROOT / "tests/fakes/adb.py"], env=environment))
        until(lambda: listening(port), by=started[-1])
        return log

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from yolorknn.convert.build import build

    return build(DEMO_ONNX, platform="rk3588", dtype="fp16", output=tmp_path_factory.mktemp("device"))


@needs_toolkit
def test_no_board(model: Path, port: int, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"adb finds no board: connect its USB OTG port .*adb devices"):
        attached(model)
    assert not listening(port), "the adb server that we started ended"
    assert list(tmp_path.glob("yolorknn*")) == []


@needs_toolkit
def test_no_adb_server_outlives_us_when_we_are_killed(port: int) -> None:
    code = (
        "from yolorknn.convert.toolkit import adb; from yolorknn.toolkits.installed import choose; import time\n"
        "with adb.server(adb.executable(choose())): print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        assert listening(port)
        process.send_signal(signal.SIGKILL)
    until(lambda: not listening(port))


@needs_toolkit
@pytest.mark.parametrize(
    ("devices", "device_id", "said"),
    [
        (f"{SERIAL}\tdevice\nb\tdevice\n", None, rf"several boards are attached: .*{SERIAL} \(device\), b \(device\)"),
        (f"{SERIAL}\tdevice\n", "x; touch y", rf"adb finds no board x; touch y: it sees {SERIAL}"),
        (f"{SERIAL}\tunauthorized\n", None, "does not trust this PC"),
        ("", "10.0.0.9:5555", r"adb finds no board 10\.0\.0\.9:5555: connect"),
        (f"{SERIAL}\toffline\n", SERIAL, "is 'offline' to adb"),
        ("????????????\tno permissions (user in plugdev group); see [http://x]\n", None, "may not open the USB device"),
    ],
)
def test_a_board_that_cannot_be_used(
    model: Path, boards: Boards, devices: str, device_id: str | None, said: str
) -> None:
    boards(devices)
    with pytest.raises(BackendError, match=said):
        attached(model, device_id)
    assert listening(int(os.environ["ANDROID_ADB_SERVER_PORT"])), "a server that ran before goes on"


@needs_toolkit
def test_a_server_that_is_not_ours_to_replace(model: Path, port: int) -> None:
    for answer, said in [
        (b"OKAY00040029", "of protocol version 41, .*adb kill-server"),
        (b"HTTP/1.1", "no adb server"),
    ]:
        with socket.create_server(("127.0.0.1", port)) as listener:
            child = os.fork()
            if child == 0:
                link, _ = listener.accept()
                link.sendall(answer)
                link.shutdown(socket.SHUT_WR)
                link.recv(100)
                os._exit(0)
            with pytest.raises(BackendError, match=said):
                attached(model)
            os.waitpid(child, 0)


@needs_toolkit
def test_a_board_whose_rknn_server_is_down(model: Path, boards: Boards, tmp_path: Path) -> None:
    """The real toolkit finds the board, restarts its rknn_server, forwards its socket; and nobody is behind it."""
    asked = boards(f"{SERIAL}\tdevice\n")
    with pytest.raises(
        BackendError, match=rf"rknn on board {SERIAL}: .*rknn_server.* version 2\.\d\.\d or newer"
    ) as caught:
        attached(model)
    assert str(next(tmp_path.glob("yolorknn-device-*.log"))) in str(caught.value)
    requests = asked.read_text()
    assert f"host:transport:{SERIAL}\nshell:uname -m" in requests and "forward:localabstract:transfer_proxy" in requests


@needs_toolkit
@pytest.mark.slow
def test_a_board_that_never_answers(model: Path, boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    boards(f"{SERIAL}\tdevice\n")
    monkeypatch.setattr(device, "STEP_SECONDS", 15.0)
    with socket.socket(socket.AF_UNIX) as proxy:
        proxy.bind("\0transfer_proxy")
        proxy.listen()
        done = CliRunner().invoke(app, ["bench", str(model), "--device-id", SERIAL])
    assert isinstance(done.exception, BackendError)
    assert "failed in init_runtime: no answer in 15 s" in str(done.exception)


@needs_toolkit
def test_the_way_to_a_board_and_back(
    model: Path, boards: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fake toolkit in the child process: the calls, the images, the measurements, and that nothing is left."""
    boards(f"{SERIAL}\tdevice\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests/fakes/toolkit"))
    metadata, backend = attached(model)
    image = np.full((*metadata.imgsz, 3), 7, np.uint8)
    for shade in (7, 9):
        image[0, 0, 0] = shade
        outputs = backend.infer(image)
        assert [array.shape for array in outputs] == list(output_shapes(metadata).values())
        assert all((array == shade / np.float32(255)).all() for array in outputs)
    backend.close()
    backend.close()
    done = CliRunner().invoke(app, ["bench", str(model), "--device", "--json"])
    found = json.loads(done.stdout)
    assert found["ms"] == 12.5 and found["device"] == SERIAL and found["memory_mb"] == {"weight": 3.53, "total": 5.66}
    assert found["operators"][0] == {"kind": "ConvExSwish", "calls": 57, "cpu_ms": 0, "gpu_ms": 0, "npu_ms": 19.9}
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), image)
    arguments = ["detect", str(picture), "-m", str(model), "--device", "--no-save", "--json", str(tmp_path / "a.jsonl")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1
    arguments = [
        "val",
        str(model),
        "--data",
        str(DATASET / "data.yaml"),
        "--device",
        "-o",
        str(tmp_path / "val"),
        "--json",
    ]
    (report,) = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    assert report["map"] < 0.001 and report["images"] > 10, "its board says the same of every image"
    assert not (tmp_path / "val").exists()
    assert list(tmp_path.glob("yolorknn*")) == []


@needs_toolkit
def test_a_board_that_stops_answering(model: Path, boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    boards(f"{SERIAL}\tdevice\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests/fakes/toolkit"))
    monkeypatch.setattr(device, "STEP_SECONDS", 5.0)
    metadata, backend = attached(model)
    image = np.full((*metadata.imgsz, 3), 66, np.uint8)
    with pytest.raises(InferenceError, match="no answer in 5 s"):
        backend.infer(image)
    with pytest.raises(InferenceError, match="its process ended"):
        backend.infer(np.zeros_like(image))
    backend.close()


def test_only_a_rknn_runs_on_a_board(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is no \.rknn"):
        measure(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "a.png", "-m", "m.rknn", "--device", "--simulate"],
        ["val", "m.rknn", "--data", "d.yaml", "--device-id", "x", "--simulate"],
        ["bench", "m.rknn", "--device", "--fps", "3"],
    ],
)
def test_options_that_contradict(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_machine_without_adb(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"rknn-toolkit2 2\.3\.2 brings no adb"):
        adb.executable(Installed("2.3.2", tmp_path))
