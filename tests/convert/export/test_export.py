"""A checkpoint to ONNX, on the demo model: boxes, metadata, heads, and what cannot be exported or built."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

import pytest

from tests.conftest import DATASET, DEMO, DEMO_ONNX, needs_ort, needs_torch, on_the_demo_images
from yolorknn import Detector
from yolorknn.convert.export.checkpoint import quiet
from yolorknn.errors import ExportError, ModelError
from yolorknn.image import read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]

IMAGES = sorted((DATASET / "images").glob("*.jpg"))


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
    from yolorknn.convert.export.export import export

    (tmp_path / "a").mkdir()
    split = export(DEMO, imgsz=(192, 320), output=tmp_path)
    decoded = export(DEMO, imgsz=(192, 320), head="decoded", output=tmp_path / "a")
    for one, other in zip(on_the_demo_images(split), on_the_demo_images(decoded), strict=True):
        assert one.xyxy.ravel() == pytest.approx(other.xyxy.ravel(), abs=0.05)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)


def test_the_committed_onnx_is_the_checkpoints(onnx: Path) -> None:
    for ours, committed in zip(on_the_demo_images(onnx), on_the_demo_images(DEMO_ONNX), strict=True):
        assert ours.xyxy.ravel() == pytest.approx(committed.xyxy.ravel(), abs=0.05)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x80\x04K\x01."])
def test_bad_checkpoints(tmp_path: Path, content: bytes) -> None:
    from yolorknn.convert.export.export import export

    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"empty|not a checkpoint"):
        export(path)
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_and_foreign_checkpoints(tmp_path: Path) -> None:
    import torch

    from yolorknn.convert.export.export import export

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
    ("config", "words"),
    [
        ("rtdetr-l.yaml", "RTDETRDecoder.*head; supported are"),
        ("yolov8n-world.yaml", "World of the first version"),
    ],
)
def test_other_heads_are_refused_by_name(tmp_path: Path, config: str, words: str) -> None:
    from ultralytics import RTDETR, YOLO

    from yolorknn.convert.export.export import export

    path = tmp_path / "model.pt"
    (RTDETR if "rtdetr" in config else YOLO)(config).save(path)
    with pytest.raises(ExportError, match=words):
        export(path)


@pytest.mark.parametrize(
    ("names", "words"),
    [({0: "a", 1: "b"}, "has 6 classes and names 2"), (dict.fromkeys(range(1, 7), "a"), "not numbered from 0 on")],
)
def test_names_must_be_those_of_the_classes(tmp_path: Path, names: dict[int, str], words: str) -> None:
    """Or what was written would contradict itself."""
    import torch

    from yolorknn.convert.export.export import export

    checkpoint = torch.load(DEMO, weights_only=False)
    checkpoint["model"].names = names
    torch.save(checkpoint, tmp_path / "renamed.pt")
    with pytest.raises(ExportError, match=words):
        export(tmp_path / "renamed.pt", imgsz=(96, 96))
    assert not (tmp_path / "renamed.onnx").exists()


@pytest.mark.parametrize(("imgsz", "hint"), [(650, "640,640"), ((320, 100), "320,96"), ((1, 1), "32,32")])
def test_imgsz_must_fit_the_stride(tmp_path: Path, imgsz: int | tuple[int, int], hint: str) -> None:
    from yolorknn.convert.export.export import export

    with pytest.raises(ExportError, match=f"use {hint}"):
        export(DEMO, imgsz=imgsz, output=tmp_path)
    with pytest.raises(ValueError, match="head is 'split' or 'decoded', not 'x'"):
        export(DEMO, imgsz=imgsz, head="x", output=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="program is 'frigate' or 'zoo' or 'ultralytics', not 'Zoo'"):
        export(DEMO, program="Zoo", output=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype is 'i8' or 'fp16', not 'int8'"):
        export(DEMO, program="ultralytics", dtype="int8", output=tmp_path)  # type: ignore[arg-type]


def test_onnx_files_that_cannot_be_built(tmp_path: Path, onnx: Path) -> None:
    import onnx as onnx_library

    from yolorknn.model import onnx_file

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
    assert metadata_of(onnx_file.read(path)).imgsz == (320, 320), "recognised without metadata"
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx_library.save(model, str(path))
    with pytest.raises(ModelError, match="dynamic"):
        metadata_of(onnx_file.read(path))
    with pytest.raises(ModelError, match="dynamic"):
        Detector(path)


def test_of_two_threads_that_export_the_second_waits() -> None:
    """Else it took for ultralytics' level of logging the one that the first had set, and left it so."""
    from ultralytics.utils import LOGGER

    before, filters, inside = LOGGER.level, list(warnings.filters), threading.Event()

    def second() -> None:
        with quiet():
            inside.set()

    thread = threading.Thread(target=second)
    with quiet():
        thread.start()
        assert not inside.wait(0.3)
    thread.join()
    assert inside.is_set() and LOGGER.level == before != logging.CRITICAL and list(warnings.filters) == filters
