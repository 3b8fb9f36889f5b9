"""yolorknn, unmodified, on an aarch64 Python under qemu: on the vendor's real wheel, or where that is not installed on
librknnrt directly; librknnrt.c stands in for the library.

Started by tests/runtime/test_board_emulator.py, which also makes the folder of models, frames and recorded outputs.
"""

from __future__ import annotations

import gc
import json
import platform
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.board.board import DATA, FRAMES, MODEL, WANTED, WHEEL, boxes, check, command, needs_wheel, once
from tests.fakes.standin import Library
from yolorknn import Detector
from yolorknn.image import letterbox, read_image
from yolorknn.model.platforms import PLATFORMS, this_platform
from yolorknn.predict.open_model import open_model
from yolorknn.runtime import cores, rknnlite
from yolorknn.stream.sources.open_source import open_source


def test_this_is_a_board() -> None:
    assert platform.machine() == "aarch64" and this_platform() is PLATFORMS["rk3588"]


@needs_wheel
def test_this_is_the_real_wheel() -> None:
    from rknnlite.api import rknn_runtime

    assert rknn_runtime.__file__.endswith(".so")


def test_detections_are_the_simulators(library: Library) -> None:
    with Detector(MODEL) as detector:
        for path in FRAMES:
            check(detector.detect(path), WANTED[path.name])
    assert sum(len(WANTED[path.name]) for path in FRAMES) > len(FRAMES)
    assert [call["mask"] for call in library.calls("rknn_set_core_mask")] == [1, 2, 4]


def test_a_stream_over_three_cores(library: Library) -> None:
    library.set(MS=40)
    with Detector(MODEL) as detector:
        for number, result in enumerate(detector.stream(read_image(path) for path in FRAMES * 3)):
            assert result.index == number
            check(result.detections, WANTED[FRAMES[number % len(FRAMES)].name])
    runs = [call["core"] for call in library.calls("rknn_run")]
    assert len(runs) == number + 1 == 3 * len(FRAMES) and set(runs) == {0, 1, 2}


def replay_for(video: Path, target: Path) -> Path:
    """Record the answers under what this processor's decoder makes of the video: it differs in last bits."""
    data, records, at = (DATA / "replay.bin").read_bytes(), {}, 4
    while at < len(data):
        key, floats = struct.unpack_from("<II", data, at)
        records[key] = data[at + 4 : at + 8 + 4 * floats]
        at += 8 + 4 * floats
    source = open_source(video)
    with target.open("wb") as file:
        file.write(b"YKRP")
        for number, key in enumerate(json.loads((DATA / "video.json").read_text())):
            frame = source.read()
            assert frame is not None
            pixels, _ = letterbox(frame[0], (320, 320))
            original, _ = letterbox(read_image(FRAMES[number]), (320, 320))
            assert np.abs(pixels.astype(int) - original).mean() < 8
            file.write(struct.pack("<I", zlib.crc32(np.ascontiguousarray(pixels).tobytes())) + records[key])
    source.close()
    return target


@once
def test_detect_a_video(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(DATA / "video.mp4", tmp_path)
    library.set(REPLAY=replay_for(tmp_path / "video.mp4", tmp_path / "replay.bin"))
    monkeypatch.chdir(tmp_path)
    status = command(monkeypatch, "detect", "video.mp4", "--model", MODEL)
    assert status in (0, None)
    rows = [json.loads(line) for line in (tmp_path / "runs/detect/video/detections.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(len(WANTED["video"])))
    for row, wanted in zip(rows, WANTED["video"], strict=True):
        assert [box["class_id"] for box in row["detections"]] == [box[5] for box in wanted]
        found = np.array([box[:5] for box in boxes(row)])
        assert found.ravel() == pytest.approx(np.array([box[:5] for box in wanted]).ravel(), abs=0.06)  # as rounded
    assert (tmp_path / "runs/detect/video/video.mkv").stat().st_size > 1000  # there is no PyAV, which makes .mp4


@once
def test_info(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "info", MODEL, "--json") in (0, None)
    facts = json.loads(capsys.readouterr().out)
    assert facts["imgsz"] == [320, 320] and facts["build"]["platform"] == "rk3588"
    assert library.calls() == []


@once
def test_bench(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    library.set(MS=20)
    status = command(monkeypatch, "bench", MODEL, "--source", DATA / "frames", "--seconds", 0.2, "--json")
    assert status in (0, None)
    report = json.loads(capsys.readouterr().out)
    assert {call["core"] for call in library.calls("rknn_run")} == {0, 1, 2}
    assert list(dict.fromkeys(run["runtime"] for run in report["runs"])) == ["lite", "c"]
    assert {(run["cores"], run["contexts"]) for run in report["runs"]} == {(1, 1), (2, 1), (3, 1), (3, 2)}
    alone, *_ = (run["npu_mb"] for run in report["runs"] if run["runtime"] == "c")
    for run in report["runs"]:
        apart = alone * run["cores"] * run["contexts"]
        if run["runtime"] == "lite":
            assert run["npu_mb"] == pytest.approx(apart, abs=0.1)
        else:  # which shares weights
            assert alone <= run["npu_mb"] <= apart + 0.1
    assert "their boxes agree in 100.0%" in report["compared"]


def test_the_doctor(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Finds the board, the wheel and the library; and that this machine's kernel is not a board's."""
    assert command(monkeypatch, "doctor", "--model", MODEL, "--json") == 1
    found = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["chip"]["text"].endswith("rk3588, 3 NPU cores") and found["librknnrt"]["text"] == "librknnrt 2.3.2"
    assert found["runtime"]["text"].startswith("rknn-toolkit-lite2 is used" if WHEEL else "librknnrt is used directly")
    for name in ("chip", "device", "librknnrt", "Python", "runtime", "model"):
        assert found[name]["status"] == "ok", found[name]
    assert found["NPU driver"]["status"] == "problem"
    assert library.calls() == [], "it looks at files only"


def test_a_chip_without_core_masks(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "compatible"
    tree.write_bytes(b"radxa,zero3\0rockchip,rk3566\0")
    if WHEEL:
        from rknnlite.api import rknn_runtime

        monkeypatch.setattr(rknn_runtime, "DEVICE_COMPATIBLE_NODE", str(tree))
    monkeypatch.setattr(cores, "this_platform", lambda: this_platform(tree))
    library.set(SOC="rk3566")
    with Detector(DATA / "demo-rk3566-fp16.rknn") as detector:
        for path in FRAMES[:2]:
            check(detector.detect(path), WANTED[path.name], half=True)
    assert len(library.calls("rknn_init")) == 1 and library.calls("rknn_set_core_mask") == []


@needs_wheel
def test_both_runtimes_give_the_same_boxes(library: Library) -> None:
    with Detector(MODEL, runtime="lite") as lite:
        wheels = [lite.detect(path) for path in FRAMES]
    library.check()
    library.set(LOG=f"{library.log}.c")
    with Detector(MODEL, runtime="c") as direct:
        assert [direct.detect(path) for path in FRAMES] == wheels
    assert sum(map(len, wheels)) > len(FRAMES)


@needs_wheel
def test_a_long_run_stays_flat(library: Library) -> None:
    metadata, (backend, *others) = open_model(MODEL)
    picture, _ = letterbox(read_image(FRAMES[0]), metadata.imgsz)
    sizes = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(12 * rknnlite.COLLECT_EVERY):
            backend.infer(picture)
            sizes.append(len(gc.get_objects()))
    finally:
        gc.enable()
        for one in (backend, *others):
            one.close()
    per_round = sizes[rknnlite.COLLECT_EVERY - 1 :: rknnlite.COLLECT_EVERY]  # just after a collection
    assert max(per_round[2:]) - min(per_round[2:]) < 50, per_round
    assert max(sizes) - min(sizes) > 50, "the wheel leaks no more: the collecting may go"
