"""Every detection family: floats as ultralytics computes them, and builds with the vendor's real toolkit."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.backends_of import floating
from tests.fakes.families import IMAGES, make_checkpoint
from tests.test_parity import assert_same
from yolorknn import Detections, Detector
from yolorknn.image import letterbox, read_image
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]

NAMES = ("person", "né à 東京", "a b", 'quote"', "e")
IMGSZ = 192
SIZES = {
    "yolov3{}": ["-tiny", "", "-spp"], "yolov5{}": "nsmlx", "yolov6{}": "nsmlx", "yolov8{}": "nsmlx",
    "yolov9{}": "tsmce", "yolov10{}": "nsmblx", "yolo11{}": "nsmlx", "yolo12{}": "nsmlx", "yolo26{}": "nsmlx",
    "yolov8{}-p2": "nsmlx", "yolov5{}-p6": "nsmlx", "yolov8{}-p6": "nsmlx", "yolo26{}-p2": "nsmlx",
    "yolo26{}-p6": "nsmlx",
}  # fmt: skip
"""The families and their sizes. The smallest of each are tested with --slow, the others with --all."""
DEFAULT = {
    "test_floats_are_ultralytics": {"yolo11n", "yolo26n"},
    "test_builds_with_the_attention_on_the_npu": {"yolo26n"},
}
"""What is tested always. Between them: attention, NMS and none, bins for a side and none."""
QUARTER = "yolov9e:4"
"""A size with layers that no other has, each a quarter as wide as it is."""
OTHERS = {"yolov3-tiny", "yolov5n", "yolov6n", QUARTER, "yolov5n-p6", "yolov8n-p6", "yolo26n-p2"}
"""Convolutions alone, which build as those of yolov8n do, or as many strides as yolov8n-p2 and yolo26n-p6 have."""
LARGER = {"yolov10m": 256}
"""Where 192 pixels leave the attention a number of cells that the NPU does not reshape in int8."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "checkpoint" in metafunc.fixturenames:
        names = {family.format(size): size == sizes[0] for family, sizes in SIZES.items() for size in sizes}
        marks = {name: pytest.mark.slow if smallest else pytest.mark.exhaustive for name, smallest in names.items()}
        marks[QUARTER] = pytest.mark.slow
        if "builds" in metafunc.function.__name__:
            marks |= dict.fromkeys(OTHERS, pytest.mark.exhaustive)
        default = DEFAULT[metafunc.function.__name__]
        every = [pytest.param(name, marks=[] if name in default else mark) for name, mark in marks.items()]
        metafunc.parametrize("checkpoint", every, indirect=True, scope="module")


@pytest.fixture(scope="module")
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family, _, narrower = request.param.partition(":")
    folder = tmp_path_factory.mktemp(family)
    return make_checkpoint(f"{family}.yaml", folder, names=NAMES, imgsz=size_of(family), narrower=int(narrower or 1))


@pytest.fixture(scope="module")
def onnx(checkpoint: Path) -> Path:
    from yolorknn.convert.export.export import export

    return export(checkpoint, imgsz=(size_of(checkpoint.stem),) * 2)


def size_of(family: str) -> int:
    return LARGER.get(family, IMGSZ)


def is_end_to_end(family: str) -> bool:
    return "v10" in family or "26" in family


def test_floats_are_ultralytics(checkpoint: Path, onnx: Path, tmp_path: Path) -> None:
    """Split and decoded head against ultralytics' own predict: with NMS, or with top-k where it is end-to-end."""
    from ultralytics import YOLO

    from yolorknn.convert.export.export import export

    imgsz = size_of(checkpoint.stem)
    decoded = export(checkpoint, imgsz=(imgsz, imgsz), head="decoded", output=tmp_path)
    model = YOLO(shutil.copy(checkpoint, tmp_path / "model.pt"))  # it would fetch one called yolov5n.pt
    options: dict[str, Any] = {"nms": False} if is_end_to_end(checkpoint.stem) else {}
    conf = 0.25
    with Detector(onnx, conf=conf) as split, Detector(decoded, conf=conf) as other:
        assert tuple(split.names.values()) == NAMES
        assert split.metadata.end_to_end == is_end_to_end(checkpoint.stem)
        assert split.metadata.reg_max == (1 if "26" in checkpoint.stem else 16)
        for path in IMAGES[:3]:
            (result,) = model.predict(
                read_image(path), imgsz=imgsz, rect=False, conf=conf, iou=0.7, max_det=300, verbose=False, **options
            )
            boxes = result.boxes.cpu().numpy()
            theirs = Detections(boxes.xyxy, boxes.conf, boxes.cls)
            assert len(theirs) >= 10 and len(set(boxes.conf.round(2).tolist())) >= 5, "too little to compare"
            # Where 300 boxes are the limit, the last of them may be another one of the same score.
            floor = float(boxes.conf.min()) if len(theirs) == 300 else conf
            for ours in (split.detect(path), other.detect(path)):
                for some, others in ((ours, theirs), (theirs, ours)):
                    assert (some.confidence >= floor + 0.002).sum() <= len(others), "more than may be at the threshold"
                assert_same(ours, theirs, pixels=0.5, score=0.002, conf=floor)


def attentions(checkpoint: Path) -> int:
    """Return how many attention blocks ultralytics' network has; the compiler makes one exSDPAttention of each."""
    from ultralytics import YOLO

    model = YOLO(shutil.copy(checkpoint, checkpoint.with_name("model.pt")))  # it would fetch one called yolov5n.pt
    return sum(type(module).__name__ in ("Attention", "AAttn") for module in model.model.modules())


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    a, b = one.ravel().astype(float), other.ravel().astype(float)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.builds
def test_builds_with_the_attention_on_the_npu(checkpoint: Path, onnx: Path, tmp_path: Path) -> None:
    """int8 and fp16; in the log's layer table every attention is fused and only in- and outputs are on the CPU.

    What the simulator computes in fp16 is what onnxruntime computes. Tensors are compared, not boxes: in a random
    network a rounding error picks another box of the same score.
    """
    from yolorknn.convert.recipe.attention import attention_blocks
    from yolorknn.convert.recipe.planned import planned
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.recipe.steps import built
    from yolorknn.convert.toolkit.log import Log
    from yolorknn.convert.toolkit.toolkit import Toolkit

    before, blocks = onnx.read_bytes(), attentions(checkpoint)
    assert len(attention_blocks(onnx)) == blocks
    image, _ = letterbox(read_image(IMAGES[1]), (size_of(onnx.stem),) * 2)
    expected = floating(onnx).infer(image)

    def table(dtype: Any) -> list[tuple[str, str]]:
        log = Log(tmp_path / f"{dtype}.log")
        request = BuildRequest(onnx, dtype=dtype, dataset=IMAGES[0] if dtype == "i8" else None)
        with planned(request) as plan, Toolkit(log, python=plan.toolkit.python) as toolkit:
            rknn, made = built(toolkit, plan, verbose=True), plan.scratch / "model.rknn"
            rknn.do("export_rknn", export_path=made)
            assert made.stat().st_size > 100_000
            rknn.do("init_runtime")
            toolkit.check()
            if dtype == "fp16":  # whose rounding a random network amplifies; int8 of one is like nothing
                for ours, theirs in zip(rknn.infer(image[None]), expected, strict=True):
                    assert cosine(ours, theirs) > 0.95, ours.shape
        return re.findall(r"^D RKNN: \[[\d:.]+\] \d+ +(\w+) +\w+ +(NPU|CPU) ", log.text(), re.M)

    with ThreadPoolExecutor(2) as pool:
        for rows in pool.map(table, ("i8", "fp16")):
            ops = [op for op, _ in rows]
            assert ops.count("exSDPAttention") == blocks, ops
            assert {op for op, where in rows if where == "CPU"} == {"InputOperator", "OutputOperator"}
            assert not {"exSoftmax13", "exMatMul"} & set(ops)
    assert onnx.read_bytes() == before


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.parametrize("family", ["yolov10n", pytest.param("yolo12n", marks=pytest.mark.exhaustive)])
def test_the_attention_can_stay_in_float16(family: str, tmp_path: Path) -> None:
    """As the gate tries it; the compiler's table shows it, still fused and on the NPU."""
    from yolorknn.convert.export.export import export
    from yolorknn.convert.recipe.attention import attention_blocks
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.convert.recipe.planned import planned
    from yolorknn.convert.recipe.request import BuildRequest
    from yolorknn.convert.recipe.steps import built
    from yolorknn.convert.tables.layers import parse_layers
    from yolorknn.convert.toolkit.log import Log
    from yolorknn.convert.toolkit.toolkit import Toolkit

    onnx = export(make_checkpoint(f"{family}.yaml", tmp_path, names=NAMES, imgsz=IMGSZ), imgsz=(IMGSZ, IMGSZ))
    options = BuildOptions(algorithm="mean", custom_hybrid=attention_blocks(onnx))
    log = Log(tmp_path / "x.log")
    with (
        planned(BuildRequest(onnx, dataset=IMAGES[0], options=options)) as plan,
        Toolkit(log, python=plan.toolkit.python) as toolkit,
    ):
        built(toolkit, plan, verbose=True)
        layers = parse_layers(log.text())
    fused = [layer for layer in layers if layer.op == "exSDPAttention"]
    assert len(fused) == len(options.custom_hybrid) > 0
    assert {(layer.dtype, layer.target) for layer in fused} == {("FLOAT16", "NPU")}
    assert sum(layer.dtype == "INT8" for layer in layers) > len(layers) / 2


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.builds
@pytest.mark.slow
@pytest.mark.parametrize("family", ["yolov8n", pytest.param("yolo26n", marks=pytest.mark.exhaustive)])
def test_the_decoded_head_builds_at_640(family: str, tmp_path: Path) -> None:
    """8400 anchors, more than a register of the NPU counts."""
    from yolorknn.convert.build import build
    from yolorknn.convert.export.export import export
    from yolorknn.model.rknn_file import read

    checkpoint = make_checkpoint(f"{family}.yaml", tmp_path, names=NAMES, imgsz=IMGSZ)
    made = build(export(checkpoint, imgsz=(640, 640), head="decoded"), dataset=IMAGES[0])
    assert metadata_of(read(made)).end_to_end == is_end_to_end(family)
