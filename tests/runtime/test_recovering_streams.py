"""A stream, and a run of the command line, over cores that fail or hang: it goes on, and counts what was lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from tests.fakes.numbered import numbered_frame
from tests.fakes.rknn_files import write_rknn
from tests.fakes.scripted_core import FINE, METADATA, SHORT, Core, pressing_ctrl_c
from yolorknn.cli.app import app
from yolorknn.errors import BackendError, InferenceError
from yolorknn.model.metadata import Build
from yolorknn.predict.detector import Detector
from yolorknn.runtime.patience import Patience
from yolorknn.runtime.recovering import MOST_HANGS


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
        # On a busy machine the last may be lost behind the frame for which there is no core any more.
        assert not isinstance(caught.value, InferenceError) and MOST_HANGS < stream.lost <= 2 * MOST_HANGS
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


def test_ctrl_c_while_the_tiles_of_an_image_hang(core: Callable[..., Core], tmp_path: Path) -> None:
    cores = [core(["hang"]) for _ in range(3)]
    backends = [one.backend(Patience(first=600, least=0.2)) for one in cores]
    model = write_rknn(tmp_path / "m.rknn", replace(METADATA, build=Build("rk3588", "i8", "2.3.2")))
    begun = time.monotonic()
    with (
        pressing_ctrl_c(*(one.hangs for one in cores)),
        pytest.raises(KeyboardInterrupt),
        Detector(model, backends=backends, tile=64) as running,
    ):
        running.detect(numbered_frame(1, (128, 128)))
    assert time.monotonic() - begun < 20, "the hung cores take 30 s"


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
