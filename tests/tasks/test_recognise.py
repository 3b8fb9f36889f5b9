"""A model is what its file proves: by its graph, what ultralytics wrote into it, names, and the ranges of int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, needs_ort, needs_torch
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.ultralytics_export import exported_by_ultralytics
from yolorknn import Detector, MetadataError
from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.evidence import Evidence, Node
from yolorknn.model.metadata import Tensor
from yolorknn.tasks.known import metadata_of, recognise

IMAGE = [Tensor("images", (1, 3, 64, 64), "float")]
LARGER = [Tensor("images", (1, 3, 320, 320), "float")]
NAMES80 = [f"n{i}" for i in range(80)]


def grids(*channels: int, names: str = "abcdefghi") -> list[Tensor]:
    shapes = [(1, c, side, side) for side in (8, 4, 2) for c in channels]
    return [Tensor(name, shape, "float") for name, shape in zip(names, shapes, strict=False)]


def made(**ops: str) -> Evidence:
    """A graph of which each output is made by one op; a "sum" by a clipped ReduceSum over a Sigmoid."""
    nodes = {}
    for name, op in ops.items():
        nodes[name] = Node(op, (f"{name}_in",))
        if op == "sum":
            nodes |= {name: Node("Clip", (f"{name}_0",)), f"{name}_0": Node("ReduceSum", (f"{name}_1",))}
            nodes[f"{name}_1"] = Node("Sigmoid", (f"{name}_2",))
    return Evidence(nodes)


def roles(outputs: list[Tensor], evidence: Evidence, names: list[str] | None = None) -> list[str]:
    return [output.role for output in recognise(IMAGE, outputs, evidence, names=names, where="m").outputs]


def test_who_makes_an_output_is_what_it_is_in_any_order() -> None:
    ops = dict.fromkeys("ace", "Conv") | dict.fromkeys("bdf", "Sigmoid")
    assert roles(grids(64, 64), made(**ops)) == ["box", "cls"] * 3
    swapped = dict.fromkeys("ace", "Sigmoid") | dict.fromkeys("bdf", "Conv")
    assert roles(grids(64, 64), made(**swapped)) == ["cls", "box"] * 3
    assert roles(grids(80, 64), made(**swapped)) == ["cls", "box"] * 3
    three = dict.fromkeys("adg", "sum") | dict.fromkeys("beh", "Conv") | dict.fromkeys("cfi", "Sigmoid")
    assert roles(grids(1, 64, 1), made(**three)) == ["sum", "box", "cls"] * 3


def test_types_and_axes_may_change_behind_a_sigmoid() -> None:
    nodes: dict[str, Node] = {}
    for name in "abcdef":
        op = "Conv" if name in "ace" else "Sigmoid"
        nodes[name] = Node("Transpose", (f"{name}1",))
        nodes[f"{name}1"] = Node("DequantizeLinear", (f"{name}2", "scale", "zero"))
        nodes[f"{name}2"] = Node("QuantizeLinear", (f"{name}3", "scale", "zero"))
        nodes[f"{name}3"] = Node(op, (f"{name}4",))
    assert roles(grids(64, 80), Evidence(nodes)) == ["box", "cls"] * 3


@pytest.mark.parametrize("op", ["Conv", "Add", "Mul", "Relu", "Softplus"])
def test_logits_are_no_scores(op: str) -> None:
    with pytest.raises(MetadataError, match="no scores from 0 to 1 among its outputs"):
        recognise(IMAGE, grids(64, 80), made(**dict.fromkeys("abcdef", op)), where="m")
    assert roles(grids(64, 80), Evidence()) == ["box", "cls"] * 3, "without a graph they may be scores"
    ranges = dict.fromkeys("abcdef", (-17.3, 2.5))
    with pytest.raises(MetadataError, match="no scores"):
        recognise(IMAGE, grids(64, 80), Evidence(ranges=ranges), where="m")


def test_without_a_graph_only_what_has_one_reading() -> None:
    assert roles(grids(80, 64), Evidence()) == ["cls", "box"] * 3
    for channels in ((64, 64), (64, 4), (4, 68), (64, 64, 1)):
        with pytest.raises(MetadataError, match=r"does not show which outputs are boxes.*--names"):
            recognise(IMAGE, grids(*channels), Evidence(), where="m")
    assert roles(grids(64, 4), Evidence(), ["a"] * 4) == ["box", "cls"] * 3
    assert roles(grids(64, 4), Evidence(), ["a"] * 64) == ["cls", "box"] * 3
    ranges = {**dict.fromkeys("ace", (-9.0, 9.0)), **dict.fromkeys("bdf", (0.0, 1.0))}
    assert roles(grids(64, 64), Evidence(ranges=ranges)) == ["box", "cls"] * 3


def test_boxes_of_four_channels_with_a_sum_of_scores() -> None:
    """YOLOv6's and YOLO26's: of a .rknn that is YOLOX's or FCOS', with an objectness in its place, decoding tells."""
    assert roles(grids(4, 80, 1), Evidence()) == ["box", "cls", "sum"] * 3
    masks = [*grids(4, 80, 1, 32, names="abcdefghijkl"), Tensor("p", (1, 32, 16, 16), "float")]
    assert roles(masks, Evidence()) == [*["box", "cls", "sum", "mask"] * 3, "proto"]
    sums = dict.fromkeys("adg", "Conv") | dict.fromkeys("beh", "Sigmoid") | dict.fromkeys("cfi", "sum")
    assert roles(grids(4, 80, 1), made(**sums)) == ["box", "cls", "sum"] * 3
    with pytest.raises(MetadataError):
        roles(grids(4, 80, 1), made(**sums | dict.fromkeys("cfi", "Sigmoid")))


def test_an_output_by_a_name_of_ours_is_of_no_other_role() -> None:
    tensors = [
        Tensor(f"{role}{8 * 2**i}", (1, channels, 8 >> i, 8 >> i), "int8")
        for i in range(3)
        for role, channels in (("box", 64), ("cls", 15), ("angle", 1))
    ]
    with pytest.raises(MetadataError):
        recognise(IMAGE, tensors, Evidence(), where="m")


def joined(*parts: tuple[str, int], inner: int = 1) -> tuple[list[Tensor], Evidence]:
    """One output (1, channels, 2100), joined of parts with their ops, the first `inner` of them before the others."""
    nodes = {f"p{i}": Node(op, (f"q{i}",)) for i, (op, _) in enumerate(parts)}
    nodes["inner"] = Node("Concat", tuple(f"p{i}" for i in range(inner)), 1)
    nodes["y"] = Node("Concat", ("inner", *(f"p{i}" for i in range(inner, len(parts)))), 1)
    return [Tensor("y", (1, sum(count for _, count in parts), 2100), "float")], Evidence(nodes)


def test_all_strides_in_one_are_what_the_graph_shows() -> None:
    found = recognise(LARGER, *joined(("Mul", 4), ("Sigmoid", 80)), where="m")
    assert found.head == "decoded" and len(found.names) == 80 and not found.normalized
    pose = joined(("Mul", 4), ("Sigmoid", 1), ("Reshape", 51), inner=2)
    obb = joined(("Mul", 4), ("Sigmoid", 15), ("Mul", 1), inner=2)
    for outputs, evidence in (pose, obb, joined(("Mul", 4), ("Conv", 80)), joined(("Sigmoid", 4), ("Sigmoid", 80))):
        with pytest.raises(MetadataError, match=r"may be a model of detect.*pose.*obb.*do not prove"):
            recognise(LARGER, outputs, evidence, where="m")
    with pytest.raises(MetadataError, match="m is a model of task 'pose' as ultralytics writes it"):
        recognise(LARGER, pose[0], Evidence(pose[1].nodes, {"task": "pose", "names": "{0: 'person'}"}), where="m")


def test_without_a_graph_somebody_must_say_how_many_classes_there_are() -> None:
    outputs = [Tensor("y", (1, 84, 2100), "int8")]
    with pytest.raises(MetadataError, match=r"may be a model of detect with 80 classes.*80 classes with --names"):
        recognise(LARGER, outputs, Evidence(), where="m")
    assert not recognise(LARGER, outputs, Evidence(), names=NAMES80, where="m").normalized
    assert recognise(LARGER, outputs, Evidence(ranges={"y": (0, 1.01)}), names=NAMES80, where="m").normalized
    assert not recognise(LARGER, outputs, Evidence(ranges={"y": (0, 640)}), names=NAMES80, where="m").normalized
    with pytest.raises(MetadataError):
        recognise(LARGER, outputs, Evidence(), names=["person"], where="m")


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(1, 300, 6)], "ends in NMS or a top-k"),
        ([(1, 300, 57)], "ends in NMS or a top-k"),
        (
            [(1, 255, 8, 8), (1, 255, 4, 4), (1, 255, 2, 2)],
            r"of YOLOv5 or YOLOv7, 3 anchor boxes a cell \(and 80 classes\)",
        ),
        ([(1, 18, 2, 2), (1, 18, 4, 4)], r"of YOLOv5 or YOLOv7, 3 anchor boxes a cell \(and 1 class\)"),
        ([(1, 85, 8, 8), (1, 85, 4, 4), (1, 85, 2, 2)], "of YOLOX, a box, its objectness and 80 classes"),
        ([(1, 3, 8, 8, 85), (1, 3, 4, 4, 85)], "of YOLOv5 or YOLOv7, with anchor boxes"),
        ([(1, 252, 85)], "of YOLOv5 or YOLOv7, decoded"),
        ([(1, 84, 85)], "of YOLOX or YOLOv6, all strides in one"),
        ([(1, 116, 84), (1, 32, 16, 16)], "is a segment model as ultralytics writes it"),
    ],
)
def test_layouts_of_others_are_named(shapes: list[tuple[int, ...]], words: str) -> None:
    outputs = [Tensor(f"o{i}", shape, "float") for i, shape in enumerate(shapes)]
    with pytest.raises(MetadataError, match=words) as caught:
        recognise(IMAGE, outputs, Evidence(), where="m")
    ways = [way for way in ("--generic", "--anchors", "--names") if way in str(caught.value)]
    assert bool(ways) == ("YOLO" in words), "what cannot be exported can be built as it is, or told what it is"


def test_ranges_of_a_rknn(tmp_path: Path) -> None:
    """The demo model's, as rknn-toolkit2 2.3.2 writes them; a float output has none."""
    metadata = split_metadata((64, 64), 64)
    path = write_rknn(tmp_path / "m.rknn", metadata, custom=None)
    table = {
        "box8": {"min": [-14.4], "max": [15.5]},
        "cls8": {"min": [0.0], "max": [1.0]},
        "box16": {"min": [], "max": []},
    }
    content = path.read_bytes()
    old = content[content.index(b"{'attrs'") : content.index(b"\0weights")]
    new = old[:-1] + b", 'quant_tab': " + str(table).encode() + b"}"
    size = int.from_bytes(content[16:24], "little") + len(new) - len(old)
    path.write_bytes((content[:16] + size.to_bytes(8, "little") + content[24:]).replace(old, new))
    assert rknn_file.read(path).ranges == {"box8": (-14.4, 15.5), "cls8": (0.0, 1.0)}


@pytest.fixture(scope="module")
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ultralytics itself exports of a model with random weights."""
    from ultralytics import YOLO

    config, options = request.param
    folder = tmp_path_factory.mktemp("ultralytics")
    model = YOLO(f"{config}.yaml")
    model.model.names = {i: f"kind {i}" for i in range(len(model.model.names))}
    model.ckpt_path = str(folder / "m.pt")
    model.model.pt_path = str(folder / "m.pt")
    return exported_by_ultralytics(model, **{"imgsz": 64, "opset": 13, **options})


def stripped(path: Path) -> Path:
    import onnx

    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path.with_name("stripped.onnx")))
    return path.with_name("stripped.onnx")


OTHERS: list[Any] = [
    pytest.param((config, options), words, marks=pytest.mark.slow, id=f"{config} {options}")
    for config, options, words in [
        ("yolov8n-pose", {}, "pose"),
        ("yolo11n-obb", {}, "obb"),
        ("yolov8n-seg", {}, "segment"),
        ("yolov8n", {"nms": True}, "NMS"),
        ("yolo26n", {"nms": False, "imgsz": 160}, "top-k"),
    ]
]


@needs_torch
@needs_ort
@pytest.mark.parametrize("exported", [("yolov8n", {})], indirect=True)
def test_ultralytics_own_detector(exported: Path) -> None:
    for path, name in ((exported, "kind 3"), (stripped(exported), "class3")):
        metadata = metadata_of(onnx_file.read(path))
        assert (metadata.head, metadata.names[3], len(metadata.names)) == ("decoded", name, 80)
        with Detector(path) as detector:
            detector.detect(DATASET / "images/0000.jpg")


@needs_torch
@needs_ort
@pytest.mark.parametrize(("exported", "words"), OTHERS, indirect=["exported"])
def test_what_else_ultralytics_exports_is_named(exported: Path, words: str) -> None:
    for path in (exported, stripped(exported)):
        with pytest.raises(MetadataError, match=words):
            metadata_of(onnx_file.read(path))


def test_evidence_that_goes_in_circles_ends() -> None:
    nodes = {"a": Node("Mul", ("b", "a")), "b": Node("Concat", ("a", "c"), 2), "c": Node("Sigmoid", ("d",))}
    assert Evidence(nodes).kind("a") == "scores"
    assert np.isfinite(len(Evidence({"a": Node("Identity", ("b",))}).parts("a")))


def test_a_graph_that_joins_what_it_joined_ends() -> None:
    """Sixty Concats in a row, each of the one before twice, are 2^60 parts; thousands in a row are deep."""
    twice = {f"c{i}": Node("Concat", (f"c{i - 1}",) * 2, 1) for i in range(1, 61)}
    assert Evidence(twice).parts("c60") == ["c60"]
    deep = {f"c{i}": Node("Concat", (f"c{i - 1}", "a"), 1) for i in range(1, 3001)}
    assert Evidence(deep).parts("c3000") == ["c0", *["a"] * 3000]


@pytest.mark.parametrize(("op", "channels"), [("Exp", 4), ("Mul", 4), ("Softmax", 64)])
def test_boxes_that_are_made_ready_are_not_made_so_again(op: str, channels: int) -> None:
    """Distances in pixels, as RTMDet and FCOS have them, and probabilities of bins."""
    ops = dict.fromkeys("ace", op) | dict.fromkeys("bdf", "Sigmoid")
    with pytest.raises(MetadataError, match="is not a model that yolorknn knows"):
        recognise(IMAGE, grids(channels, 80), made(**ops), where="m")
    plain = {**ops, **dict.fromkeys("ace", "Conv")}
    assert roles(grids(channels, 80), made(**plain)) == ["box", "cls"] * 3
