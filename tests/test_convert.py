"""The PC's half on the demo model: export, calibration, build, simulator, and what goes wrong in each."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from yolorknn import Detector, rknn_file
from yolorknn.errors import BuildError, CalibrationError, ExportError, ModelError
from yolorknn.metadata import ModelMetadata
from yolorknn.preprocess import letterbox
from yolorknn.video import read_image

pytestmark = [needs_torch, needs_ort]

IMAGES = sorted((DATASET / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from yolorknn.convert.export import export

    return export(DEMO, output=tmp_path_factory.mktemp("onnx"))


def detections_of(model: Path, **options: Any) -> list[tuple]:
    with Detector(model, **options) as detector:
        return [(len(found), found) for found in map(detector.detect, IMAGES[:10])]


def test_export_gives_ultralytics_boxes(onnx: Path) -> None:
    from ultralytics import YOLO

    model = YOLO(DEMO)
    with Detector(onnx) as detector:
        assert detector.imgsz == (320, 320) and detector.names == model.names
        for path in IMAGES:
            (result,) = model.predict(read_image(path), imgsz=320, rect=False, conf=0.25, iou=0.7, verbose=False)
            ours, theirs = detector.detect(path), result.boxes.cpu().numpy()
            assert ours.class_id.tolist() == theirs.cls.astype(int).tolist()
            assert ours.confidence == pytest.approx(theirs.conf, abs=1e-3)
            assert ours.xyxy.ravel() == pytest.approx(theirs.xyxy.ravel(), abs=0.1)


def test_the_onnx_is_fixed_split_and_labelled(onnx: Path) -> None:
    import onnx as onnx_library

    model = onnx_library.load(str(onnx))
    assert [(o.name, [d.dim_value for d in o.type.tensor_type.shape.dim]) for o in model.graph.output] == [
        (f"{role}{stride}", [1, channels, 320 // stride, 320 // stride])
        for stride in (8, 16, 32)
        for role, channels in (("box", 64), ("cls", 6))
    ]
    assert model.opset_import[0].version == 12
    assert not {"Softmax", "Shape", "NonMaxSuppression"} & {node.op_type for node in model.graph.node}
    metadata = ModelMetadata.from_json({p.key: p.value for p in model.metadata_props}["yolorknn"])
    assert metadata.source == "demo.pt" and len(metadata.sha256) == 64


def test_decoded_head_and_another_size(tmp_path: Path) -> None:
    from yolorknn.convert.export import export

    (tmp_path / "a").mkdir()
    split = export(DEMO, imgsz=(192, 320), output=tmp_path)
    decoded = export(DEMO, imgsz=(192, 320), head="decoded", output=tmp_path / "a")
    for (count, one), (_, other) in zip(detections_of(split), detections_of(decoded), strict=True):
        assert count == len(other)
        assert one.xyxy.ravel() == pytest.approx(other.xyxy.ravel(), abs=0.05)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


def test_the_committed_onnx_is_the_checkpoints(onnx: Path) -> None:
    for (_, ours), (_, committed) in zip(detections_of(onnx), detections_of(DEMO_ONNX), strict=True):
        assert ours.xyxy.ravel() == pytest.approx(committed.xyxy.ravel(), abs=0.05)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x80\x04K\x01."])
def test_bad_checkpoints(tmp_path: Path, content: bytes) -> None:
    from yolorknn.convert.export import export

    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"empty|not a checkpoint"):
        export(path)
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_and_foreign_checkpoints(tmp_path: Path) -> None:
    import torch

    from yolorknn.convert.export import export

    path = tmp_path / "bad.pt"
    path.write_bytes(DEMO.read_bytes()[:50000])
    with pytest.raises(ExportError, match="truncated"):
        export(path)
    for thing in ({"a": 1}, torch.nn.Linear(2, 2), {"model": torch.nn.Linear(2, 2)}, [1]):
        torch.save(thing, path)
        with pytest.raises(ExportError, match=r"something else|not a YOLO model"):
            export(path)
    with pytest.raises(ExportError, match="there is no checkpoint"):
        export(tmp_path / "absent.pt")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("config", "head"),
    [("yolov8n-seg.yaml", "Segment"), ("yolov8n-pose.yaml", "Pose"), ("yolov8n-obb.yaml", "OBB"),
     ("yolov8n-cls.yaml", "Classify"), ("yolo26n-seg.yaml", "Segment26"), ("yolov8s-world.yaml", "WorldDetect")],
)  # fmt: skip
def test_other_heads_are_refused_by_name(tmp_path: Path, config: str, head: str) -> None:
    from ultralytics import YOLO

    from yolorknn.convert.export import export

    path = tmp_path / "model.pt"
    YOLO(config).save(path)
    with pytest.raises(ExportError, match=f"{head}.*head; supported are detection models"):
        export(path)


@pytest.mark.parametrize(("imgsz", "hint"), [((650, 650), "640,640"), ((320, 100), "320,96"), ((1, 1), "32,32")])
def test_imgsz_must_fit_the_stride(tmp_path: Path, imgsz: tuple[int, int], hint: str) -> None:
    from yolorknn.convert.export import export

    with pytest.raises(ExportError, match=f"use {hint}"):
        export(DEMO, imgsz=imgsz, output=tmp_path)


def test_onnx_files_that_cannot_be_built(tmp_path: Path, onnx: Path) -> None:
    import onnx as onnx_library

    from yolorknn.convert import onnx_file

    path = tmp_path / "bad.onnx"
    for content in (b"", b"junk", onnx.read_bytes()[:10000]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="truncated"):
            onnx_file.read(path)
        with pytest.raises(ModelError, match="truncated"):
            Detector(path)
    model = onnx_library.load(str(onnx))
    del model.metadata_props[:]
    onnx_library.save(model, str(path))
    assert onnx_file.read(path).metadata().imgsz == (320, 320), "recognised without metadata"
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx_library.save(model, str(path))
    with pytest.raises(ModelError, match="dynamic"):
        onnx_file.read(path).metadata()
    with pytest.raises(ModelError, match="dynamic"):
        Detector(path)


# Calibration


def open_set(source: Path) -> Any:
    from yolorknn.convert.calibrate import CalibrationSet

    return CalibrationSet.open(source)


def test_calibration_images_are_what_the_detector_sees(tmp_path: Path) -> None:
    awkward = tmp_path / "a folder, né 1"
    awkward.mkdir()
    for path in IMAGES[:3]:
        shutil.copy(path, awkward / f"img {path.name}")
    listing, count, digest = open_set(awkward).write(tmp_path, imgsz=(192, 320))
    names = listing.read_text().split()
    assert count == len(names) == 3 and len(digest) == 64
    for name, path in zip(names, IMAGES[:3], strict=True):
        pixels, _ = letterbox(read_image(path), (192, 320))
        assert np.array_equal(np.load(tmp_path / name), pixels.transpose(2, 0, 1)[None])


def test_every_kind_of_calibration_set_names_the_same_images(tmp_path: Path) -> None:
    folder = open_set(DATASET / "images").images
    assert list(folder) == IMAGES
    assert open_set(DATASET / "dataset.txt").images == folder
    assert open_set(DATASET / "data.yaml").images == folder
    assert open_set(DATASET).images == folder
    assert open_set(IMAGES[0]).images == (IMAGES[0],)


def test_a_video_is_sampled_evenly(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for number in range(450):
        writer.write(np.full((48, 64, 3), number // 2, np.uint8))
    writer.release()
    levels = [int(frame.mean().round()) for frame in open_set(path).frames()]
    assert 100 <= len(levels) <= 200 and levels[0] <= 2 and levels[-1] >= 220


def test_calibration_sets_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.txt").write_text("\n\n")
    (tmp_path / "absent.txt").write_text("img one.jpg\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9.jpg\n")
    (tmp_path / "bad.yaml").write_text("{")
    (tmp_path / "no.yaml").write_text("names: [a]\n")
    (tmp_path / "away.yaml").write_text("train: nowhere\n")
    (tmp_path / "x.pdf").write_bytes(b"")
    for name, words in {
        "absent": "there is no dataset",
        "empty": "has no images",
        "none.txt": "has no images",
        "absent.txt": r"absent.txt, line 1: there is no image .*img one.jpg",
        "latin.txt": "cannot read the list",
        "bad.yaml": "cannot read",
        "no.yaml": "names no 'train'",
        "away.yaml": "names nowhere",
        "x.pdf": "is not a folder",
    }.items():
        with pytest.raises(CalibrationError, match=words):
            open_set(tmp_path / name)
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8junk")
    with pytest.raises(CalibrationError, match=r"damaged.jpg is not a readable image"):
        list(open_set(tmp_path / "damaged.jpg").frames())
    (tmp_path / "v.mp4").write_bytes(b"junk")
    with pytest.raises(CalibrationError, match="no frame"):
        open_set(tmp_path / "v.mp4").write(tmp_path / "empty", imgsz=(32, 32))


# Build and simulator: the vendor's real toolkit


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
    metadata = file.metadata()
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
@pytest.mark.parametrize("head", ["split", "decoded"])
def test_custom_softmax_builds_and_changes_nothing(tmp_path: Path, head: Any) -> None:
    from yolorknn.convert import onnx_file
    from yolorknn.convert.build import build
    from yolorknn.convert.export import export

    (tmp_path / "cst").mkdir()
    plain = export(DEMO, head=head, output=tmp_path)
    custom = export(DEMO, head=head, custom_softmax=True, output=tmp_path / "cst")
    assert ("cstSoftmax" in onnx_file.read(custom).ops) == (head == "decoded")
    assert "Softmax" not in onnx_file.read(custom).ops
    assert rknn_file.read(build(custom)).metadata().custom_softmax
    for (_, one), (_, other) in zip(
        detections_of(plain, simulate=True), detections_of(custom, simulate=True), strict=True
    ):
        assert one.xyxy.ravel() == pytest.approx(other.xyxy.ravel(), abs=0.01)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
    if head == "decoded":
        with pytest.raises(ModelError, match=r"cstSoftmax.*--simulate"):
            Detector(custom)


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("platform", ["rk3576", "rk3568", "rk3562", "rv1106"])
def test_other_platforms(tmp_path: Path, onnx: Path, platform: str) -> None:
    from yolorknn.convert.build import build

    made = build(onnx, platform=platform, dataset=IMAGES[0], output=tmp_path)
    assert rknn_file.read(made).platforms == (platform,)
    assert rknn_file.read(made).metadata().imgsz == (320, 320)


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
    assert rknn_file.read(made).metadata().names == names


@needs_toolkit
@pytest.mark.toolkit
def test_models_that_others_exported(tmp_path: Path, onnx: Path) -> None:
    """ultralytics' own ONNX: float works and finds the same; int8 would find nothing, which is said."""
    from ultralytics import YOLO

    from yolorknn.convert.build import build

    shutil.copy(DEMO, tmp_path / "stock.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's tracer warns from C, where an error cannot be raised
        stock = Path(YOLO(tmp_path / "stock.pt").export(format="onnx", imgsz=320, simplify=False, verbose=False))
    for (_, ours), (_, theirs) in zip(detections_of(onnx), detections_of(stock), strict=True):
        assert ours.xyxy.ravel() == pytest.approx(theirs.xyxy.ravel(), abs=0.05)
    assert Detector(stock).names == Detector(onnx).names
    assert rknn_file.read(build(stock)).metadata().head == "decoded"
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


@needs_toolkit
@pytest.mark.toolkit
def test_the_vendors_error_becomes_ours(tmp_path: Path, onnx: Path) -> None:
    from yolorknn.convert.toolkit import Toolkit
    from yolorknn.convert.toolkit_child import Job

    job = Job(str(onnx), "rk3588", "i8", (0, 0, 0), (255, 255, 255), dataset=str(tmp_path / "absent.txt"))
    log = tmp_path / "x.log"
    with pytest.raises(BuildError, match=r"failed in build: build returned -1: .*absent.txt not found.*x\.log"):
        Toolkit(job, log=log)
    assert "absent.txt" in log.read_text()


@needs_toolkit
@pytest.mark.toolkit
def test_an_abort_of_native_code_becomes_a_build_error(tmp_path: Path, onnx: Path) -> None:
    """int8 for rk2118 aborts the vendor's process (the platform table refuses it; here the child is asked directly)."""
    from yolorknn.convert.toolkit import Toolkit
    from yolorknn.convert.toolkit_child import Job

    np.save(tmp_path / "0.npy", np.zeros((1, 3, 320, 320), np.uint8))
    (tmp_path / "d.txt").write_text("0.npy\n")
    job = Job(str(onnx), "rk2118", "i8", (0, 0, 0), (255, 255, 255), dataset=str(tmp_path / "d.txt"))
    with pytest.raises(BuildError, match=r"failed in build: its process ended with signal SIGABRT: \S+"):
        Toolkit(job, log=tmp_path / "x.log")


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
    while not working[command]():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    assert process.wait(20) == 130
    assert time.monotonic() - start < 10
    left = {path.name for path in tmp_path.iterdir()} - {"demo.onnx", "new.pt"}
    assert left <= {"demo-rk3588-i8.log", "demo-rk3588-i8.rknn", "new.onnx", "runs"}
    if "demo-rk3588-i8.rknn" in left:
        rknn_file.read(tmp_path / "demo-rk3588-i8.rknn")
    while processes_with(str(tmp_path)):  # the vendor's, which end when they find their parent gone
        assert time.monotonic() - start < 15
        time.sleep(0.05)


def processes_with(text: str) -> list[Path]:
    """Return the processes that have a text in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if text.encode() in environ.read_bytes():
                found.append(environ)
    return found
