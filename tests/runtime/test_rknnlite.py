"""The board backend against a fake that behaves as the vendor's wheel was measured to."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.encode import Cell, encode_split, split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rknnlite import FakeRKNNLite, install
from yolorknn import Detector
from yolorknn.errors import BackendError, InferenceError, MissingDependencyError, ModelError
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import PLATFORMS
from yolorknn.predict.open_model import open_model
from yolorknn.runtime import cores, rknnlite

IMGSZ = (64, 96)
CELL = Cell(8, 3, 4, 1, 0.75, (1, 2, 3, 4))
Board = Callable[[str], type[FakeRKNNLite]]


def described(platform: str) -> ModelMetadata:
    metadata = split_metadata(IMGSZ, 3)
    return ModelMetadata(**{**metadata.__dict__, "build": Build(platform, "i8", "2.3.2")})


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    made: list[type[FakeRKNNLite]] = []

    def choose(soc: str) -> type[FakeRKNNLite]:
        fake, modules = install(soc)
        fake.answer = staticmethod(lambda _: encode_split(described(soc), [CELL]))
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS[soc])
        made.append(fake)
        return fake

    yield choose
    for fake in made:
        assert fake.wrongs == []
        assert not fake.live, "a context was not released"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_rknn(tmp_path / "m.rknn", described("rk3588"))


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*IMGSZ, 3), np.uint8)


@pytest.mark.parametrize(
    ("soc", "masks"), [("rk3588", [1, 2, 4]), ("rk3576", [1, 2]), ("rk3566", [0]), ("rk3568", [0]), ("rk3562", [0])]
)
def test_one_context_per_core_and_masks_only_where_they_exist(
    board: Board, tmp_path: Path, soc: str, masks: list[int]
) -> None:
    fake = board(soc)
    with Detector(write_rknn(tmp_path / "m.rknn", described(soc), platform=soc)) as detector:
        assert [call for call in fake.calls if call[0] == "init_runtime"] == [("init_runtime", m) for m in masks]
        found = detector.detect(image())
    assert found.class_id.tolist() == [CELL.class_id]
    assert found.xyxy[0] == pytest.approx(CELL.xyxy, abs=1e-3)


def test_the_pixels_arrive_as_rgb_nhwc(board: Board, model: Path) -> None:
    fake = board("rk3588")
    fed = []
    answer = fake.answer

    def noting(batch: np.ndarray) -> list[np.ndarray]:
        fed.append(batch.copy())
        return answer(batch)

    fake.answer = staticmethod(noting)
    picture = image()
    with Detector(model) as detector:
        detector.detect(picture)
    assert np.array_equal(fed[0], picture[None, ..., ::-1])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_core_that_fails_to_start_releases_the_others(board: Board, model: Path, number: int) -> None:
    fake = board("rk3588")
    fake.fail_init = number
    with pytest.raises(BackendError, match=r"init_runtime returned -1 .*core.*RKNN_ERR_DEVICE_UNAVAILABLE"):
        Detector(model)


def test_the_vendors_words_do_not_reach_stderr_but_our_error(
    board: Board, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    board("rk3588").fail_init = 0
    with pytest.raises(BackendError):
        Detector(model)
    assert capfd.readouterr().err == ""


def test_none_from_inference_is_an_error(board: Board, model: Path) -> None:
    fake = board("rk3588")
    fake.answer = staticmethod(lambda _: None)  # type: ignore[assignment]
    with Detector(model) as detector, pytest.raises(InferenceError, match="returned None"):
        detector.detect(image())


@pytest.mark.parametrize("broken", [[], [np.zeros((1, 64, 8, 12), np.float32)] * 6])
def test_outputs_that_contradict_the_model_are_an_error(board: Board, model: Path, broken: list[np.ndarray]) -> None:
    fake = board("rk3588")
    fake.answer = staticmethod(lambda _: broken)
    with Detector(model) as detector, pytest.raises(InferenceError, match="the model promises"):
        detector.detect(image())


@pytest.mark.parametrize(
    "bad", [np.zeros((96, 64, 3), np.uint8), np.zeros((64, 96, 3)), np.zeros((1, 64, 96, 3), np.uint8)]
)
def test_what_the_wheel_would_misread_never_reaches_it(board: Board, model: Path, bad: np.ndarray) -> None:
    board("rk3588")
    metadata, backends = open_model(model)
    assert metadata.imgsz == IMGSZ
    with pytest.raises(ValueError, match="the model takes uint8"):
        backends[0].infer(bad)
    for backend in backends:
        backend.close()
        backend.close()
    with pytest.raises(InferenceError, match="closed"):
        backends[0].infer(image())


def test_ctrl_c_in_the_middle_of_inference_is_not_swallowed(board: Board, model: Path) -> None:
    fake = board("rk3588")
    answer, arrived = fake.answer, threading.Event()

    def interrupted(batch: np.ndarray) -> list[np.ndarray]:
        os.kill(os.getpid(), signal.SIGINT)
        assert arrived.wait(10), "it reaches the caller while the core works"
        return answer(batch)

    fake.answer = staticmethod(interrupted)
    with Detector(model) as detector:
        with pytest.raises(KeyboardInterrupt):
            detector.detect(image())
        arrived.set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_fake_itself_swallows_ctrl_c(board: Board, model: Path) -> None:
    fake = board("rk3588")

    def pressed(batch: np.ndarray) -> list[np.ndarray]:
        raise KeyboardInterrupt

    fake.answer = staticmethod(pressed)
    runtime = fake()
    assert runtime.load_rknn(str(model)) == 0 and runtime.init_runtime() == 0
    assert runtime.inference([image()[None]]) is None
    assert runtime.inference((image()[None],)) is None
    assert runtime.inference([image()]) is None
    assert runtime.inference([image()[None].astype(float)]) is None
    runtime.release()


def test_what_the_wheel_leaves_behind_does_not_pile_up(board: Board, model: Path) -> None:
    fake = board("rk3588")
    gc.disable()  # whatever the interpreter would do by itself
    try:
        with Detector(model) as detector:
            for _ in range(60):
                detector.detect(image())
                assert len(fake.cycles) <= 3 * rknnlite.COLLECT_EVERY
    finally:
        gc.enable()


def test_the_names_of_log_levels_survive_the_wheel(board: Board, model: Path) -> None:
    board("rk3588")
    logging.addLevelName(logging.INFO, "I")  # as some of its versions do when imported
    try:
        Detector(model).close()
        assert logging.getLevelName(logging.INFO) == "INFO"
    finally:
        logging.addLevelName(logging.INFO, "INFO")


def test_a_failed_inference_is_run_again_on_a_fresh_context(board: Board, model: Path) -> None:
    fake = board("rk3588")
    answers = [None, encode_split(described("rk3588"), [CELL])]
    fake.answer = staticmethod(lambda _: answers.pop(0))  # type: ignore[assignment]
    with Detector(model) as detector:
        assert len(detector.detect(image())) == 1
        assert len(fake.live) == 3
    masks = [call[1] for call in fake.calls if call[0] == "init_runtime"]
    assert masks[:3] == [1, 2, 4] and len(masks) == 4, "the fresh context is on the core of the failed one"


def test_a_model_for_another_chip(board: Board, model: Path) -> None:
    board("rk3576")
    with pytest.raises(
        ModelError, match="built for rk3588, this board is rk3576: build it again with --platform rk3576"
    ):
        Detector(model)


def test_rk3566_runs_rk3568_models(board: Board, tmp_path: Path) -> None:
    fake = board("rk3566")
    path = write_rknn(tmp_path / "m.rknn", described("rk3568"), platform="rk3568")
    fake.soc = "rk3568"  # the runtime accepts either
    with Detector(path) as detector:
        assert len(detector.detect(image())) == 1


def test_on_a_pc_it_names_the_choices(model: Path) -> None:
    with pytest.raises(ModelError, match=r"Rockchip board.*copy it to the board.*\.onnx.*--simulate"):
        Detector(model)


def test_on_a_first_generation_chip(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "this_platform", lambda: None)
    monkeypatch.setattr(cores, "chips", lambda: ["toybrick", "rk1808"])
    with pytest.raises(ModelError, match=r"rk1808 has an NPU of the first generation.*rknn-toolkit 1\.7"):
        Detector(model)


def test_without_the_wheel_it_names_the_extra(board: Board, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board("rk3588")
    for name in ("rknnlite", "rknnlite.api"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"pip install '\.\[board\]'"):
        Detector(model, runtime="lite")


def test_a_stream_over_three_cores(board: Board, model: Path) -> None:
    board("rk3588")
    with Detector(model) as detector:
        assert [result.index for result in detector.stream(image() for _ in range(50))] == list(range(50))
