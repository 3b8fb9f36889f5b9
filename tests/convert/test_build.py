"""Build and simulator on the vendor's real toolkit, with the demo model."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO, needs_ort, needs_toolkit, needs_torch, on_the_demo_images
from tests.fakes.ultralytics_export import exported_by_ultralytics
from tests.fakes.waiting import LONGEST, until
from yolorknn import Detector
from yolorknn.errors import BuildError, CalibrationError, MetadataError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]

IMAGES = sorted((DATASET / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def built(onnx: Path) -> Path:
    from yolorknn.convert.build import build

    stages = []
    made = build(onnx, dataset=DATASET, progress=lambda stage, done: stages.append((stage, done)))
    assert {"calibration images", "load_onnx", "measuring ranges", "export_rknn"} <= {stage for stage, _ in stages}
    assert all(0 <= done <= 1 for _, done in stages)
    return made


@needs_toolkit
@pytest.mark.toolkit
def test_int8_build_says_everything(built: Path, onnx: Path) -> None:
    assert built.name == "demo-rk3588-i8.rknn" and built.with_suffix(".log").stat().st_size > 0
    assert {path.name for path in built.parent.iterdir()} == {"demo.onnx", "demo-rk3588-i8.rknn", "demo-rk3588-i8.log"}
    file = rknn_file.read(built)
    metadata = metadata_of(file)
    assert metadata.source == "demo.onnx" and metadata.names == Detector(onnx).metadata.names
    assert metadata.build is not None and metadata.build.images == 40 and len(metadata.build.digest) == 64
    assert [tensor.dtype for tensor in file.outputs] == ["int8"] * 6


@needs_toolkit
@pytest.mark.toolkit
def test_int8_simulation_finds_what_float_finds(built: Path, onnx: Path) -> None:
    """From the .rknn's own recipe. Confident boxes are there in both; scores differ by quantization only."""
    with Detector(onnx) as floating, Detector(built, simulate=True) as quantized:
        for path in IMAGES[:10]:
            near = quantized.detect(path)
            for xyxy, confidence, class_id in floating.detect(path):
                if confidence > 0.6:
                    hits = (near.class_id == class_id) & (np.abs(near.xyxy - xyxy).max(axis=1) < 8)
                    assert hits.any(), (path, xyxy, confidence)
                    assert abs(near.confidence[hits].max() - confidence) < 0.15


@needs_toolkit
@pytest.mark.toolkit
def test_a_simulation_with_another_calibration_set_is_refused(built: Path) -> None:
    with pytest.raises(CalibrationError, match="does not hold the 40 images"):
        Detector(built, simulate=True, dataset=IMAGES[0])


@needs_toolkit
@pytest.mark.toolkit
def test_custom_softmax_builds_and_changes_nothing(tmp_path: Path) -> None:
    from yolorknn.convert.build import build
    from yolorknn.convert.export.export import export
    from yolorknn.model import onnx_file

    (tmp_path / "cst").mkdir()
    plain = export(DEMO, head="decoded", output=tmp_path)
    custom = export(DEMO, head="decoded", custom_softmax=True, output=tmp_path / "cst")
    assert "cstSoftmax" in onnx_file.read(custom).ops and "Softmax" not in onnx_file.read(custom).ops
    assert metadata_of(rknn_file.read(build(custom))).custom_softmax
    for one, other in zip(
        on_the_demo_images(plain, simulate=True), on_the_demo_images(custom, simulate=True), strict=True
    ):
        assert one.xyxy.ravel() == pytest.approx(other.xyxy.ravel(), abs=0.01)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
    with pytest.raises(ModelError, match=r"cstSoftmax.*--simulate"):
        Detector(custom)


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize(
    "platform", [*(pytest.param(chip, marks=pytest.mark.slow) for chip in ("rk3576", "rk3568", "rk3562")), "rv1106"]
)
def test_other_platforms(tmp_path: Path, onnx: Path, platform: str) -> None:
    from yolorknn.convert.build import build

    made = build(onnx, platform=platform, dataset=IMAGES[0], output=tmp_path)
    assert rknn_file.read(made).platforms == (platform,)
    assert metadata_of(rknn_file.read(made)).imgsz == (320, 320)


@needs_toolkit
@pytest.mark.toolkit
def test_many_long_names_go_into_a_sidecar(tmp_path: Path, onnx: Path) -> None:
    import onnx as onnx_library

    from yolorknn.convert.build import build

    model = onnx_library.load(str(onnx))
    metadata = ModelMetadata.from_json(model.metadata_props[0].value)
    names = tuple(np.random.default_rng(i).bytes(150).hex() for i in range(6))
    model.metadata_props[0].value = ModelMetadata(**{**metadata.__dict__, "names": names}).to_json()
    onnx_library.save(model, str(tmp_path / "long.onnx"))
    made = build(tmp_path / "long.onnx")
    assert made.with_suffix(".json").is_file()
    assert metadata_of(rknn_file.read(made)).names == names
    other = json.loads(made.with_suffix(".json").read_text())
    made.with_suffix(".json").write_text(json.dumps({**other, "names": names[::-1]}))
    with pytest.raises(MetadataError, match=r"long-rk3588-fp16\.json is not the metadata .*it is of another build"):
        metadata_of(rknn_file.read(made))
    made.with_suffix(".json").unlink()
    with pytest.raises(MetadataError, match=r"needs its metadata, long-rk3588-fp16\.json, beside it: copy both"):
        metadata_of(rknn_file.read(made))


@needs_toolkit
@pytest.mark.toolkit
def test_models_that_others_exported(tmp_path: Path, onnx: Path) -> None:
    """ultralytics' own ONNX: float works and finds the same; int8 would find nothing, which is said."""
    from ultralytics import YOLO

    from yolorknn.convert.build import build

    shutil.copy(DEMO, tmp_path / "stock.pt")
    stock = exported_by_ultralytics(YOLO(tmp_path / "stock.pt"), imgsz=320, verbose=False)
    for ours, theirs in zip(on_the_demo_images(onnx), on_the_demo_images(stock), strict=True):
        assert ours.xyxy.ravel() == pytest.approx(theirs.xyxy.ravel(), abs=0.05)
    assert Detector(stock).names == Detector(onnx).names
    assert metadata_of(rknn_file.read(build(stock))).head == "decoded"
    with pytest.raises(BuildError, match="in int8 would find nothing"):
        build(stock, dataset=DATASET)


def test_contradictory_choices(onnx: Path) -> None:
    from yolorknn.convert.build import build

    with pytest.raises(CalibrationError, match="int8 needs a calibration set"):
        build(onnx, dtype="i8")
    with pytest.raises(CalibrationError, match="fp16 is not quantized"):
        build(onnx, dtype="fp16", dataset=DATASET)
    with pytest.raises(BuildError, match="rv1106 runs i8 models only"):
        build(onnx, platform="rv1106")
    with pytest.raises(BuildError, match="rk2118 runs fp16 models only"):
        build(onnx, platform="rk2118", dataset=DATASET)
    with pytest.raises(ModelError, match="unknown platform"):
        build(onnx, platform="rk9999")
    with pytest.raises(BuildError, match="dtype is i8 or fp16, not int8"):
        build(onnx, dtype="int8")  # type: ignore[arg-type]


@needs_toolkit
@pytest.mark.toolkit
def test_the_vendors_error_becomes_ours(tmp_path: Path, onnx: Path) -> None:
    from yolorknn.convert.toolkit.log import Log
    from yolorknn.convert.toolkit.toolkit import Toolkit

    log = Log(tmp_path / "x.log")
    with Toolkit(log) as toolkit:
        rknn = loaded(toolkit, onnx, "rk3588")
        with pytest.raises(BuildError, match=r"failed in build: build returned -1: .*absent.txt not found.*x\.log"):
            rknn.do("build", do_quantization=True, dataset=tmp_path / "absent.txt")
    assert "absent.txt" in log.text()


def loaded(toolkit: Any, onnx: Path, platform: str) -> Any:
    rknn = toolkit.rknn()
    rknn.do("config", target_platform=platform, mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]])
    rknn.do("load_onnx", model=onnx)
    return rknn


@needs_toolkit
@pytest.mark.toolkit
def test_an_abort_of_native_code_becomes_a_build_error(tmp_path: Path, onnx: Path) -> None:
    """int8 for rk2118 aborts the vendor's process (the platform table refuses it; here the child is asked directly)."""
    from yolorknn.convert.toolkit.log import Log
    from yolorknn.convert.toolkit.toolkit import Toolkit

    np.save(tmp_path / "0.npy", np.zeros((1, 3, 320, 320), np.uint8))
    (tmp_path / "d.txt").write_text("0.npy\n")
    with Toolkit(Log(tmp_path / "x.log")) as toolkit:
        rknn = loaded(toolkit, onnx, "rk2118")
        with pytest.raises(BuildError, match=r"failed in build: its process ended with signal SIGABRT: \S+"):
            rknn.do("build", do_quantization=True, dataset=tmp_path / "d.txt")


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("command", ["build", "export", "detect"])
def test_ctrl_c_leaves_no_half_file_and_no_process(tmp_path: Path, onnx: Path, command: str) -> None:
    model = shutil.copy(onnx, tmp_path / "demo.onnx")
    checkpoint = shutil.copy(DEMO, tmp_path / "new.pt")
    arguments = {
        "build": ["build", model, "--dataset", str(DATASET)],
        "export": ["export", checkpoint, "--onnx-only"],
        "detect": ["detect", str(DATASET / "images"), "--model", model, "--simulate", "-o", str(tmp_path / "runs")],
    }[command]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "yolorknn", *map(str, arguments)], env=environment)
    working: dict[str, Callable[[], bool]] = {
        "build": lambda: any(tmp_path.glob("*.log")),
        "export": lambda: "libtorch" in Path(f"/proc/{process.pid}/maps").read_text(),
        "detect": lambda: any(tmp_path.glob("yolorknn-build-*/model.onnx")),
    }
    until(working[command], by=process)
    process.send_signal(signal.SIGINT)
    assert process.wait(LONGEST) == 130
    left = {path.name for path in tmp_path.iterdir()} - {"demo.onnx", "new.pt"}
    assert left <= {"demo-rk3588-i8.log", "demo-rk3588-i8.rknn", "new.onnx", "runs"}
    if "demo-rk3588-i8.rknn" in left:
        rknn_file.read(tmp_path / "demo-rk3588-i8.rknn")
    until(lambda: not processes_with(str(tmp_path)))  # the vendor's, which end when they find their parent gone


def processes_with(text: str) -> list[Path]:
    """Return the processes that have a text in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if text.encode() in environ.read_bytes():
                found.append(environ)
    return found
