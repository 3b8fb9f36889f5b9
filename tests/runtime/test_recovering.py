"""A context that fails, lies or hangs is replaced; what it held is released."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.fakes.encode import encode_split, split_metadata
from tests.fakes.numbered import cell_of, number_of, numbered_frame
from tests.fakes.rknn_files import write_rknn
from yolorknn.cli.app import app
from yolorknn.errors import BackendError, CoreDeadError, CoreHungError, InferenceError
from yolorknn.model.metadata import Build, Tensor
from yolorknn.predict.detector import Detector
from yolorknn.runtime.backend import SessionBackend
from yolorknn.runtime.recovering import MOST_HANGS, Patience, RecoveringSession
from yolorknn.runtime.session import Arrays
from yolorknn.tasks.known import output_shapes

METADATA = split_metadata((64, 64), 5)
SHORT = Patience(first=0.6, factor=20, least=0.6)
FINE = "fine"


class Context:
    """A session that follows a script: for each call FINE, an error, "stale" or "hang"."""

    inputs: ClassVar = [Tensor("images", (1, 64, 64, 3), "uint8", "NHWC")]
    outputs: ClassVar = [Tensor(name, shape, "float32") for name, shape in output_shapes(METADATA).items()]

    def __init__(self, core: Core, script: list[object]) -> None:
        self.core, self.script = core, script
        self.closed = 0
        self.given: list[np.ndarray] = []

    def run(self, arrays: Arrays) -> dict[str, np.ndarray]:
        assert not self.closed
        what = self.script.pop(0) if self.script else FINE
        if isinstance(what, Exception):
            raise what
        if what == "hang":
            self.core.hangs.set()
            assert self.core.go_on.wait(30)
            self.core.returned = True
        if what != "stale":
            # the fake reads RGB where numbered_frame writes BGR, hence the flip
            self.given = encode_split(METADATA, [cell_of(number_of(arrays["images"][0]))])
        return dict(zip(output_shapes(METADATA), self.given, strict=True))

    def close(self) -> None:
        self.closed += 1


class Core:
    """Opens contexts, each with the next script, and remembers them."""

    def __init__(self, *scripts: list[object] | Exception | str) -> None:
        self.scripts = list(scripts)
        self.opened: list[Context] = []
        self.hangs, self.go_on = threading.Event(), threading.Event()
        self.returned = False

    def __call__(self) -> Context:
        script = self.scripts.pop(0) if self.scripts else []
        if script == "hang":
            self.hangs.set()
            assert self.go_on.wait(30)
            script = []
        if isinstance(script, Exception):
            raise script
        self.opened.append(Context(self, list(script)))
        return self.opened[-1]

    def session(self, patience: Patience = SHORT) -> RecoveringSession:
        return RecoveringSession(self, where="m.rknn on NPU core 1", patience=patience)

    def backend(self, patience: Patience = SHORT) -> SessionBackend:
        return SessionBackend(self.session(patience), METADATA)


@pytest.fixture
def core() -> Iterator[Callable[..., Core]]:
    made: list[Core] = []

    def make(*scripts: list[object] | Exception | str) -> Core:
        made.append(Core(*scripts))
        return made[-1]

    yield make
    for one in made:
        one.go_on.set()
    gc.collect()
    for thread in [thread for thread in threading.enumerate() if thread.name == "yolorknn-npu"]:
        thread.join(5)
        assert not thread.is_alive()
    for one in made:
        assert [context.closed for context in one.opened] == [1] * len(one.opened), "each context is released once"


def rgb(number: int) -> np.ndarray:
    return np.ascontiguousarray(numbered_frame(number, (64, 64))[..., ::-1])


def same(outputs: list[np.ndarray], number: int) -> bool:
    expected = encode_split(METADATA, [cell_of(number)])
    return all(np.array_equal(a, b) for a, b in zip(outputs, expected, strict=True))


def test_a_failed_inference_is_run_again_on_a_fresh_context(core: Callable[..., Core]) -> None:
    one = core([FINE, InferenceError("no")])
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(2)), 2) and same(backend.infer(rgb(3)), 3)
    assert len(one.opened) == 2 and one.opened[0].closed == 1
    backend.close()
    backend.close()
    with pytest.raises(InferenceError, match="closed"):
        backend.infer(rgb(4))


def test_the_second_failure_is_raised_and_the_next_frame_is_fine(core: Callable[..., Core]) -> None:
    one = core([InferenceError("first")], [InferenceError("second")])
    backend = one.backend()
    with pytest.raises(InferenceError, match=r"second \(a second time, on a fresh context: see 'yolorknn doctor'\)"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2) and len(one.opened) == 2
    backend.close()


def test_a_wrong_image_is_the_callers_error_and_costs_no_context(core: Callable[..., Core]) -> None:
    one = core([ValueError("the model takes uint8")])
    backend = one.backend()
    with pytest.raises(ValueError, match="uint8"):
        backend.infer(rgb(1))
    backend.close()
    assert len(one.opened) == 1


def test_no_fresh_context(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], BackendError("init_runtime returned -1"))
    backend = one.backend()
    with pytest.raises(BackendError, match="init_runtime returned -1"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2)  # the one after it opens
    backend.close()


def test_the_outputs_of_the_frame_before_are_not_believed(core: Callable[..., Core]) -> None:
    one = core([FINE, "stale"])
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(2)), 2)
    assert len(one.opened) == 2
    backend.close()


def test_the_caller_may_use_the_images_buffer_again(core: Callable[..., Core]) -> None:
    one = core([FINE, "stale"])
    backend = one.backend()
    image = rgb(1)
    assert same(backend.infer(image), 1)
    image[:] = rgb(2)
    assert same(backend.infer(image), 2)
    assert len(one.opened) == 2
    backend.close()


def test_the_same_image_has_the_same_outputs(core: Callable[..., Core]) -> None:
    one = core()
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(1)), 1)
    assert len(one.opened) == 1
    backend.close()


def test_a_model_that_answers_alike_is_believed_after_one_check(core: Callable[..., Core]) -> None:
    one = core()
    backend = one.backend()
    for shade in range(4):  # differ in a pixel that holds no number
        image = rgb(1)
        image[16, 5] = shade
        assert same(backend.infer(image), 1)
    assert len(one.opened) == 2
    backend.close()


def test_a_hung_core_is_noticed_and_its_context_replaced_and_released(core: Callable[..., Core]) -> None:
    one = core([FINE, "hang"])
    backend = one.backend()
    backend.infer(rgb(1))
    with pytest.raises(CoreHungError, match=r"m.rknn on NPU core 1 gave no answer in 0.6 s: the frame is lost"):
        backend.infer(rgb(2))
    assert same(backend.infer(rgb(3)), 3)
    assert [context.closed for context in one.opened] == [0, 0], "a context in use is not released"
    backend.close()


def test_a_core_that_hangs_in_every_context_is_broken(core: Callable[..., Core]) -> None:
    one = core(*[["hang"]] * MOST_HANGS)
    backend = one.backend()
    for _ in range(MOST_HANGS - 1):
        with pytest.raises(CoreHungError):
            backend.infer(rgb(1))
    for _ in range(2):
        with pytest.raises(CoreDeadError, match=r"after 3 such failures in a row it is taken out of use: restart"):
            backend.infer(rgb(1))
    assert len(one.opened) == MOST_HANGS
    backend.close()


def test_a_core_that_cannot_be_opened_again_is_broken(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], *[BackendError("init_runtime returned -1")] * MOST_HANGS)
    backend = one.backend()
    for _ in range(MOST_HANGS - 1):
        with pytest.raises(
            CoreHungError, match=r"core 1 could not be opened again \(init_runtime returned -1\): the fr"
        ):
            backend.infer(rgb(1))
    with pytest.raises(CoreDeadError, match=r"could not be opened again .* taken out of use"):
        backend.infer(rgb(1))
    backend.close()


def test_an_opening_that_hangs(core: Callable[..., Core]) -> None:
    one = core("hang")
    abandoned = []
    patience = Patience(opening=0.3)
    with pytest.raises(BackendError, match=r"core 1: the runtime did not open the model in 0.3 s: restart the board"):
        RecoveringSession(one, where="m on NPU core 1", patience=patience, abandon=lambda: abandoned.append(1))
    assert abandoned == [1] and one.opened == []


def test_a_hang_while_opening_again_costs_a_frame(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], "hang")
    backend = one.backend(Patience(opening=0.3))
    with pytest.raises(CoreHungError, match=r"did not open the model in 0.3 s"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2)
    backend.close()


@contextmanager
def pressing_ctrl_c(*once: threading.Event) -> Iterator[None]:
    """Press it when all of these have happened."""

    def press() -> None:
        assert all(event.wait(30) for event in once)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    yield
    thread.join()


def test_ctrl_c_while_a_model_is_opened(core: Callable[..., Core]) -> None:
    one = core("hang")
    with pressing_ctrl_c(one.hangs), pytest.raises(KeyboardInterrupt):
        one.backend(Patience(opening=60))


def detector(tmp_path: Path, *cores: Core, patience: Patience = SHORT) -> Detector:
    model = write_rknn(tmp_path / "m.rknn", replace(METADATA, build=Build("rk3588", "i8", "2.3.2")))
    return Detector(model, backends=[one.backend(patience) for one in cores])


def test_a_stream_goes_on_with_the_cores_that_are_left(
    core: Callable[..., Core], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = [BackendError("init_runtime returned -1")] * 9
    with detector(tmp_path, core([FINE, InferenceError("no")], *refusals), core()) as running:
        stream = running.stream(numbered_frame(n, (64, 64)) for n in range(60))
        indices = [result.index for result in stream]
        assert stream.lost == MOST_HANGS and len(indices) == 60 - MOST_HANGS and indices == sorted(indices)
        assert len(running.dead) == 1 and "NPU core 1 could not be opened again" in running.dead[0]
        assert running.detect(numbered_frame(3, (64, 64))).class_id.tolist() == [3]
    assert caplog.messages == [f"{running.dead[0]}; 1 of 2 NPU cores go on"]


def test_a_stream_without_a_core_left_fails(core: Callable[..., Core], tmp_path: Path) -> None:
    refusals = [BackendError("init_runtime returned -1")] * 9
    with detector(tmp_path, *[core([FINE, InferenceError("no")], *refusals) for _ in range(2)]) as running:
        stream = running.stream(numbered_frame(n, (64, 64)) for n in range(60))
        with pytest.raises(BackendError, match=r"no NPU core is left: .* restart the board") as caught:
            list(stream)
        assert not isinstance(caught.value, InferenceError) and stream.lost == 2 * MOST_HANGS
        assert len(running.dead) == 2


@pytest.mark.parametrize("threaded", [False, True])
def test_ctrl_c_while_the_first_inference_hangs(core: Callable[..., Core], tmp_path: Path, threaded: bool) -> None:
    """Nothing is measured, so the core has 600 s; but nobody waits for it."""
    cores = [core(["hang"]) for _ in range(3)]
    patience = Patience(first=600, least=0.2)
    with (
        pressing_ctrl_c(*(one.hangs for one in (cores if threaded else cores[:1]))),
        pytest.raises(KeyboardInterrupt),
        detector(tmp_path, *cores, patience=patience) as running,
    ):
        if threaded:
            with running.stream(numbered_frame(n, (64, 64)) for n in range(60)) as stream:
                next(stream)
        else:
            running.detect(numbered_frame(1, (64, 64)))
    assert not any(one.returned for one in cores), "nobody waited for the hung cores"


def test_patience_follows_the_slowest_measured() -> None:
    patience = Patience()
    assert patience.seconds(deque()) == 30
    assert patience.seconds(deque([0.02, 0.03])) == 2
    assert patience.seconds(deque([0.3, 0.2])) == pytest.approx(6)


def test_a_backend_that_nobody_closes_releases_its_context(core: Callable[..., Core]) -> None:
    one = core()
    assert same(one.backend().infer(rgb(1)), 1)


def test_ctrl_c_reaches_the_caller_while_the_core_works(core: Callable[..., Core]) -> None:
    one = core(["hang"])
    backend = one.backend(Patience(first=5))
    with pressing_ctrl_c(one.hangs), pytest.raises(KeyboardInterrupt):
        backend.infer(rgb(1))
    one.go_on.set()
    assert same(backend.infer(rgb(2)), 2), "the interrupted frame's answer is not taken for the next one's"
    backend.close()


def test_a_stream_goes_on_without_the_lost_frame(core: Callable[..., Core], tmp_path: Path) -> None:
    cores = [core([FINE, FINE, "hang"]), core()]
    model = write_rknn(tmp_path / "m.rknn", replace(METADATA, build=Build("rk3588", "i8", "2.3.2")))
    with Detector(model, backends=[one.backend() for one in cores]) as detector:
        stream = detector.stream(numbered_frame(n, (64, 64)) for n in range(40))
        indices = []
        for result in stream:
            assert result.detections.class_id.tolist() == [result.index % 5]
            indices.append(result.index)
    assert stream.lost == 1 and len(indices) == 39 and indices == sorted(indices)


@pytest.mark.parametrize("frames", [1, 4])
def test_a_run_counts_what_was_lost(
    core: Callable[..., Core], tmp_path: Path, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_rknn(tmp_path / "m.rknn", replace(METADATA, build=Build("rk3588", "i8", "2.3.2")))
    for number in range(frames):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered_frame(number, (64, 64)))
    monkeypatch.setattr("yolorknn.predict.open_model.open_cores", lambda *_, **__: [core(["hang"]).session()])
    words = ["detect", str(tmp_path / "*.png"), "-m", str(model), "--no-save", "--json", str(tmp_path / "found.jsonl")]
    done = CliRunner().invoke(app, words)
    said = done.stderr.splitlines()
    found = [json.loads(line)["frame"] for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert done.stdout == ""
    if frames == 1:
        assert re.fullmatch(r"0 frames in \d\.\d s \(0\.0 FPS, 1 lost to a hung NPU core\)", said[-1])
        assert isinstance(done.exception, InferenceError) and found == []
        assert str(done.exception) == "the NPU answered none of 1 frames: see 'yolorknn doctor'"
    else:
        assert re.fullmatch(r"3 frames in \d\.\d s \(\d+\.\d FPS, 1 lost to a hung NPU core\)", said[-2])
        assert said[-1].startswith("ms per frame: capture") and done.exit_code == 0 and found == [1, 2, 3]
