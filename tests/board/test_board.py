"""yolorknn, unmodified, on an aarch64 Python under qemu: on the vendor's real wheel, or where that is not installed on
librknnrt directly; librknnrt.c stands in for the library.

Started by tests/runtime/test_board_emulator.py, which also makes the folder of models, frames and recorded outputs.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import platform
import re
import shutil
import signal
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.backends_of import on_core_0
from tests.fakes.standin import Library
from yolorknn import Detections, Detector, errors
from yolorknn.__main__ import main
from yolorknn.image import letterbox, read_image
from yolorknn.model.platforms import PLATFORMS, this_platform
from yolorknn.predict.open_model import open_model, read_metadata
from yolorknn.runtime import cores, recovering, rknnlite
from yolorknn.runtime.cores import chosen
from yolorknn.stream.sources.open_source import open_source

if "YOLORKNN_BOARD_DATA" not in os.environ:
    pytest.skip("runs on the emulated board: tests/runtime/test_board_emulator.py starts it", allow_module_level=True)

DATA = Path(os.environ["YOLORKNN_BOARD_DATA"])
MODEL = DATA / "demo-rk3588-i8.rknn"
FRAMES = sorted((DATA / "frames").glob("*.png"))
WANTED = json.loads((DATA / "detections.json").read_text())
WHEEL = chosen("auto") == "lite"
needs_wheel = pytest.mark.skipif(not WHEEL, reason="of the vendor's wheel")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    for name in [name for name in os.environ if name.startswith("STANDIN_")]:
        monkeypatch.delenv(name)
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    library.set(REPLAY=DATA / "replay.bin")
    yield library
    library.check()


def check(found: Detections, wanted: list[list[float]], *, half: bool = False) -> None:
    """Compare with what the simulator's outputs gave on the PC; exp() of another processor differs in the last bits.

    With `half` these outputs went through a model whose own are float16.
    """
    scores = np.array([row[4] for row in wanted], np.float16 if half else np.float32)
    assert found.class_id.tolist() == [row[5] for row in wanted]
    assert found.confidence == pytest.approx(scores.astype(np.float32), abs=1e-6)
    boxes = np.array([row[:4] for row in wanted]).ravel()
    assert found.xyxy.ravel() == pytest.approx(boxes, abs=0.05 if half else 1e-3)


def boxes(row: dict[str, Any]) -> list[list[float]]:
    return [[*box["xyxy"], box["confidence"], box["class_id"]] for box in row["detections"]]


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """Run the command line in this process, as every start of another costs seconds here; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["yolorknn", *map(str, arguments)])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        main()
    except SystemExit as ended:
        return ended.code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


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


def test_info(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(monkeypatch, "info", MODEL, "--json") in (0, None)
    facts = json.loads(capsys.readouterr().out)
    assert facts["imgsz"] == [320, 320] and facts["build"]["platform"] == "rk3588"
    assert library.calls() == []


def test_bench(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    library.set(MS=20)
    status = command(monkeypatch, "bench", MODEL, "--source", DATA / "frames", "--seconds", 0.2, "--json")
    assert status in (0, None)
    report = json.loads(capsys.readouterr().out)
    assert {call["core"] for call in library.calls("rknn_run")} == {0, 1, 2}
    kinds = ["lite", "c"] if WHEEL else ["c"]
    assert list(dict.fromkeys(run["runtime"] for run in report["runs"])) == kinds
    assert {(run["cores"], run["contexts"]) for run in report["runs"]} == {(1, 1), (2, 1), (3, 1), (3, 2)}
    assert all((run["npu_mb"] is None) == (run["runtime"] == "lite") for run in report["runs"])
    assert ("their boxes agree in 100.0%" in report["compared"]) == WHEEL


def test_the_doctor(library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Finds the board, the wheel and the library; and that this machine's kernel is not a board's."""
    assert command(monkeypatch, "doctor", "--model", MODEL, "--json") == 1
    found = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["chip"]["text"].endswith("rk3588, 3 NPU cores") and found["librknnrt"]["text"] == "librknnrt 2.3.2"
    assert found["runtime"]["text"].startswith("rknn-toolkit-lite2 is used" if WHEEL else "librknnrt is used directly")
    for check in ("chip", "device", "librknnrt", "Python", "runtime", "model"):
        assert found[check]["status"] == "ok", found[check]
    assert found["NPU driver"]["status"] == "problem"
    assert library.calls() == [], "it looks at files only"


def test_detect_points_to_the_doctors_finding(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.set(FAIL="rknn_init:-3")
    monkeypatch.chdir(tmp_path)
    said = command(monkeypatch, "detect", FRAMES[0], "--model", MODEL)
    assert re.fullmatch(
        r"error: (init_runtime returned -1|rknn_init returned -3) .*RKNN_ERR_DEVICE_UNAVAILABLE.*; "
        r"yolorknn doctor finds: kernel .* no rknpu driver.*",
        str(said),
    )
    assert list(tmp_path.glob("runs")) == []


@pytest.mark.parametrize("direct", [False, True])
def test_ctrl_c_in_the_middle_of_inference(library: Library, direct: bool) -> None:
    library.set(MS=1500)
    if direct:  # the vendor's call in the main thread, where it swallows the KeyboardInterrupt
        backend = on_core_0(MODEL)
        picture, _ = letterbox(read_image(FRAMES[0]), read_metadata(MODEL).imgsz)
        library.interrupt_a_run()
        with pytest.raises(KeyboardInterrupt):
            backend.infer(picture)
        backend.close()
    else:
        with Detector(MODEL) as detector:
            library.interrupt_a_run()
            with pytest.raises(KeyboardInterrupt):
                detector.detect(FRAMES[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_core_that_does_not_start(library: Library, number: int) -> None:
    library.set(FAIL=f"rknn_init:-1@{number},rknn_dup_context:-1")
    said = rf"(RKNN_ERR_FAIL.*)?NPU core {number - 1}(: .*RKNN_ERR_FAIL)?"
    with pytest.raises(errors.BackendError, match=said):
        Detector(MODEL)


@pytest.mark.parametrize("code", ["-3", "-6", "-13"])
def test_the_vendors_reason_is_in_the_error(library: Library, code: str, capfd: pytest.CaptureFixture[str]) -> None:
    library.set(FAIL=f"rknn_init:{code}")
    said = r"init_runtime returned -1 .*RKNN init failed. error code: \S+" if WHEEL else rf"{code} \(RKNN_ERR_\w+\)"
    with pytest.raises(errors.BackendError, match=said):
        Detector(MODEL)
    assert "error code" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "fault", ["rknn_run:-1@3", "rknn_outputs_get:-1@3", "rknn_inputs_set:-5@3", "rknn_outputs_get:-2@1"]
)
def test_one_failure_costs_a_context_and_no_frame(library: Library, fault: str) -> None:
    library.set(FAIL=fault)
    with Detector(MODEL) as detector:
        for path in FRAMES:
            check(detector.detect(path), WANTED[path.name])
    assert len(library.opened()) == 4


def test_outputs_of_the_frame_before_are_not_believed(library: Library) -> None:
    library.set(FAIL="rknn_run:-1@3", STALE=1)
    with Detector(MODEL) as detector:
        for path in FRAMES:
            check(detector.detect(path), WANTED[path.name])
    assert len(library.opened()) == 4


@pytest.mark.parametrize("fault", ["rknn_run:-1", "rknn_outputs_get:-1", "rknn_inputs_set:-5"])
def test_an_npu_that_always_fails(library: Library, fault: str) -> None:
    library.set(FAIL=fault)
    with Detector(MODEL) as detector, pytest.raises(errors.InferenceError, match=r"RKNN_ERR_\w+.*a second time"):
        detector.detect(FRAMES[0])


def test_a_hung_core_costs_a_frame_and_not_the_stream(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = functools.partial(recovering.Patience, first=60, factor=5, least=4)
    monkeypatch.setattr(recovering, "Patience", patience)
    library.set(MS=40, FAIL="core1:600000@3", DEAF=1)
    try:
        with Detector(MODEL) as detector:
            stream = detector.stream(read_image(path) for path in FRAMES * 6)
            indices = []
            for result in stream:
                check(result.detections, WANTED[FRAMES[result.index % len(FRAMES)].name])
                indices.append(result.index)
            assert stream.lost == 1 and len(indices) == 6 * len(FRAMES) - 1
            assert len(library.calls("rknn_destroy")) == 0, "a context in use is not released under its core"
    finally:
        library.let_go()
    assert len(library.opened()) == 4


def test_a_core_that_is_dead_for_good_is_left_out(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs, and no context opens on it again."""
    patience = functools.partial(recovering.Patience, first=60, factor=5, least=4)
    monkeypatch.setattr(recovering, "Patience", patience)
    library.set(MS=40, FAIL="core1:600000@3,rknn_set_core_mask:-1@4+")
    try:
        with Detector(MODEL) as detector:
            stream = detector.stream(read_image(path) for path in FRAMES * 9)
            indices = []
            for result in stream:
                check(result.detections, WANTED[FRAMES[result.index % len(FRAMES)].name])
                indices.append(result.index)
            assert len(indices) == 9 * len(FRAMES) - stream.lost and stream.lost == recovering.MOST_HANGS
            assert len(detector.dead) == 1 and "on NPU core 1 could not be opened again" in detector.dead[0]
    finally:
        library.let_go()


def test_an_init_that_hangs(
    library: Library, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recovering, "Patience", functools.partial(recovering.Patience, opening=8))
    library.set(FAIL="init:600000@2,hang_rknn_dup_context:600000@1")
    try:
        with pytest.raises(errors.BackendError, match=r"NPU core 1: the runtime did not open the model in 8 s"):
            Detector(MODEL)
        os.write(2, b"stderr is ours again")
        assert "stderr is ours again" in capfd.readouterr().err
    finally:
        library.let_go()
    library.set(FAIL="")
    with Detector(MODEL) as detector:
        check(detector.detect(FRAMES[0]), WANTED[FRAMES[0].name])


def test_a_model_for_another_chip(library: Library) -> None:
    with pytest.raises(errors.ModelError, match=r"built for rk3566, .*this board is rk3588: build it again"):
        Detector(DATA / "demo-rk3566-fp16.rknn")
    assert library.calls() == []
    with pytest.raises(errors.BackendError, match="RKNN_ERR_TARGET_PLATFORM_UNMATCH"):  # if it had got that far
        on_core_0(DATA / "demo-rk3566-fp16.rknn")


@pytest.mark.parametrize("part", [0.0, 0.0001, 0.5, 0.999])
def test_a_truncated_model(library: Library, tmp_path: Path, part: float) -> None:
    data = MODEL.read_bytes()
    path = tmp_path / "cut.rknn"
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(errors.ModelError, match=r"truncated|empty"):
        Detector(path)
    with pytest.raises(errors.BackendError, match="init_runtime returned -1" if WHEEL else "RKNN_ERR_MODEL_INVALID"):
        on_core_0(path, described_by=MODEL)


@pytest.mark.parametrize("shape", [(320, 320), (320, 320, 4), (1, 320, 320, 3), (640, 160, 3), (160, 160, 3)])
def test_a_wrong_shape_never_reaches_the_library(library: Library, shape: tuple[int, ...]) -> None:
    with Detector(MODEL), pytest.raises(ValueError, match="the model takes uint8"):
        backend = on_core_0(MODEL)
        try:
            backend.infer(np.zeros(shape, np.uint8))
        finally:
            backend.close()
    assert library.calls("rknn_inputs_set") == []


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
@pytest.mark.parametrize("fault", ["", "rknn_run:-1@3", "rknn_outputs_get:-1@2", "rknn_inputs_set:-5@4"])
def test_both_runtimes_give_the_same_boxes(library: Library, fault: str) -> None:
    library.set(FAIL=fault)
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
