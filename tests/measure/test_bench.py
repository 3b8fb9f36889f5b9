"""What bench reports is consistent; how fast things are is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort
from tests.fakes.broken import BROKEN, Saying, broken, facts, outputs_of
from tests.fakes.encode import decoded_metadata, split_metadata
from tests.fakes.tiny_onnx import anchored_net
from yolorknn.measure import bench as bench_module
from yolorknn.measure.bench import bench
from yolorknn.measure.bench_report import Run
from yolorknn.measure.simulated_npu import SimulatedNpu
from yolorknn.measure.synthetic import Paced
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.model.metadata import ModelMetadata
from yolorknn.stream.engine import AHEAD
from yolorknn.stream.tiled import Tiling
from yolorknn.tasks.boxes import decode, postprocess
from yolorknn.tasks.known import output_shapes, task_of
from yolorknn.tasks.scenes import CANDIDATES
from yolorknn.tasks.task import Thresholds


@pytest.mark.parametrize("sums", [False, True])
def test_the_scene_is_a_normal_one(sums: bool) -> None:
    metadata = split_metadata((640, 640), 80, sums=sums)
    outputs = task_of(metadata).scene(metadata)
    assert [array.shape for array in outputs] == list(output_shapes(metadata).values())
    assert len(decode(outputs, metadata, conf=0.25).confidence) == pytest.approx(CANDIDATES, abs=8)
    assert 5 <= len(postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.7, max_det=300)).confidence) <= 60


def test_the_scene_of_a_decoded_head() -> None:
    metadata = decoded_metadata((640, 640), 80, normalized=True)
    assert len(decode(task_of(metadata).scene(metadata), metadata, conf=0.25).confidence) == CANDIDATES


def test_a_simulated_core_takes_its_time_on_average_and_gives_fresh_arrays() -> None:
    npu = SimulatedNpu(split_metadata((64, 64), 2), 5)
    start = time.perf_counter()
    first, *_ = [npu.infer(np.zeros((64, 64, 3), np.uint8)) for _ in range(20)]
    assert time.perf_counter() - start >= 0.099
    first[0][:] = 7
    assert not (npu.infer(np.zeros((64, 64, 3), np.uint8))[0] == 7).any()


def test_a_paced_camera_is_never_ahead_of_its_time() -> None:
    camera = Paced([np.zeros((4, 4, 3), np.uint8)], 200)
    start = time.perf_counter()
    for _ in range(20):
        camera.read()
    assert time.perf_counter() - start >= 0.095


def assert_bounded(run: Run, npu_ms: float, *, each: int = 1) -> None:
    """No more frames came than the cores can infer in the time, and those under way when it began."""
    under_way = run.workers + 2 * AHEAD + run.cores
    assert run.frames * each <= 1000 / npu_ms * run.cores * run.frames / run.fps + under_way * each


@needs_ort
@pytest.mark.parametrize("options", [{"npu_ms": 2.0, "cores": 2}, {"npu_ms": 2.0, "cores": 1, "fps": 100.0}, {}])
def test_a_report_is_consistent(options: dict) -> None:
    report = bench(DEMO_ONNX, source=str(DATASET / "images"), seconds=0.3, **options)
    cores = options.get("cores", 1)
    limits = ("NPU" if options else "onnxruntime", "CPU", "source")
    assert {run.cores for run in report.runs} == set(range(1, cores + 1))
    assert report.best in report.runs and report.best.fps >= 0.99 * max(run.fps for run in report.runs)
    for run in report.runs:
        assert run.workers in (run.cores, run.cores + 1) and run.limit in limits
        assert 0 < run.fps <= run.frames / 0.3 and 0 < run.busy <= 1
        for stage in [run.latency_ms, *run.stages_ms.values()]:
            assert 0 <= stage["p50"] <= stage["p90"] <= stage["p99"]
        if "npu_ms" in options:
            assert_bounded(run, options["npu_ms"])
    assert json.loads(json.dumps(report.to_json()))["best"]["workers"] == report.best.workers
    assert f"best: {report.best.cores} cores" in report.table()
    where = "NPU simulated, 2 ms an inference" if "npu_ms" in options else "onnxruntime on the CPU, no NPU"
    assert report.table().startswith(f"{DEMO_ONNX}: {where}; ") and report.npu != "real"


@needs_ort
def test_a_model_with_anchor_boxes_and_without_metadata(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    report = bench(anchored_net(tmp_path / "v5.onnx"), seconds=0.1, anchors=PUBLISHED["yolov5"])
    assert report.best.frames > 0


def test_tiles_are_counted_and_one_frames_keep_all_cores_at_work() -> None:
    """A made-up picture of 1920x1080 is 4 by 2 tiles of 640, and the whole."""
    report = bench(DEMO_ONNX, seconds=0.3, npu_ms=2, cores=3, tiling=Tiling())
    assert {(run.cores, run.workers) for run in report.runs} == {(1, 1), (1, 2), (2, 2), (3, 2)}
    for run in report.runs:
        assert run.tiles_per_s == pytest.approx(9 * run.fps)
        assert_bounded(run, 2, each=9)
    assert f"frames/s, {report.best.tiles_per_s:.1f} tiles/s; its stages" in report.table()


@pytest.mark.parametrize("what", ["", *BROKEN])
def test_two_runtimes_are_compared_in_all_that_the_task_says(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = BROKEN[what][0] if what else "detect"
    said = {"lite": outputs_of(task), "c": broken(what) if what else outputs_of(task)}

    def opened(*_: object, runtime: str, contexts: int, anchors: object) -> tuple[ModelMetadata, list[Saying]]:
        return facts(task), [Saying(said[runtime]) for _ in range(contexts)]

    monkeypatch.setattr(bench_module, "runtimes", lambda: tuple(said))
    monkeypatch.setattr(bench_module, "open_model", opened)
    image = sorted((DATASET / "images").glob("*.jpg"))[0]
    told = bench(Path("m.rknn"), source=str(image), seconds=0.02, contexts=1).compared
    assert f"their {'classes' if task == 'classify' else 'boxes'} agree in 100.0%" in told
    if what:
        assert f", their {what} in 0.0%" in told and f"; of the {what}, those of " in told
        assert told.endswith(" in frame 0"), told
    else:
        assert told.endswith("frames)")


@needs_ort
def test_the_command_draws_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    command = ["bench", str(DEMO_ONNX), "--npu-ms", "3", "--cores", "1", "--seconds", "0.2", "--plot", "b.png"]
    words = [sys.executable, "-m", "yolorknn", *command]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "frames/s" in done.stdout and (tmp_path / "b.png").read_bytes()[:4] == b"\x89PNG"
