"""What fails, hangs or does not fit on the emulated board: it costs a frame or is said, and takes nothing with it.

Started by tests/runtime/test_board_emulator.py.
"""

from __future__ import annotations

import functools
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.board.board import DATA, FRAMES, MODEL, WANTED, WHEEL, check, command, loses_one_frame, once
from tests.fakes.backends_of import on_core_0
from tests.fakes.standin import Library
from yolorknn import Detector, errors
from yolorknn.image import letterbox, read_image
from yolorknn.predict.open_model import read_metadata
from yolorknn.runtime import recovering
from yolorknn.runtime.patience import Patience


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


@pytest.mark.usefixtures("little_patience")
def test_a_hung_core_costs_a_frame_and_not_the_stream(library: Library) -> None:
    library.set(MS=40, FAIL="core1:600000@3", DEAF=1)
    try:
        with Detector(MODEL) as detector:
            loses_one_frame(detector)
            assert len(library.calls("rknn_destroy")) == 0, "a context in use is not released under its core"
    finally:
        library.let_go()
    assert len(library.opened()) == 4


@pytest.mark.usefixtures("little_patience")
def test_a_core_that_is_dead_for_good_is_left_out(library: Library) -> None:
    """It hangs, and no context opens on it again."""
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
    monkeypatch.setattr(recovering, "Patience", functools.partial(Patience, opening=8))
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


@once
def test_a_wrong_shape_never_reaches_the_library(library: Library) -> None:
    backend = on_core_0(MODEL)
    try:
        for shape in ((320, 320), (320, 320, 4), (1, 320, 320, 3), (640, 160, 3), (160, 160, 3)):
            with pytest.raises(ValueError, match="the model takes uint8"):
                backend.infer(np.zeros(shape, np.uint8))
    finally:
        backend.close()
    assert library.calls("rknn_inputs_set") == []
