"""What stands beside a model for another program, and what such a program does not take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.conftest import DATASET, needs_ort, needs_torch
from tests.fakes.rknn_files import write_rknn
from yolorknn import ExportError, ModelError
from yolorknn.convert.export.detect import DetectHead, split_only
from yolorknn.convert.export.programs import Layout, check_for, check_shape, folder_for, layout_for, write_beside
from yolorknn.convert.export.segment import SegmentHead
from yolorknn.model.metadata import Build, ModelMetadata, Output, Program

pytestmark = [needs_torch, needs_ort]
IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:4]
SIDE = 192


def test_what_stands_beside(tmp_path: Path) -> None:
    names = ("red car", "person\nwith: hat", "2 wheels")
    outputs = (Output("output0", "decoded", 0),)
    metadata = ModelMetadata(names, (192, 320), "decoded", outputs, build=Build("rk3588", "fp16", "2.3.2"))
    rknn = write_rknn(tmp_path / "a: b-rk3588-fp16.rknn", metadata, dtype=None)
    labels, config = write_beside("frigate", rknn)
    assert labels.read_text() == "0 red car\n1 person with: hat\n2 2 wheels\n"
    said = yaml.safe_load(config.read_text())
    assert said["detectors"] == {"rknn": {"type": "rknn", "num_cores": 3}}
    assert said["model"] == {
        "path": f"/config/model_cache/{rknn.name}",
        "model_type": "yolo-generic",
        "width": 320,
        "height": 192,
        "input_tensor": "nhwc",
        "input_pixel_format": "rgb",
        "input_dtype": "int",
        "labelmap_path": f"/config/model_cache/{labels.name}",
    }
    (lines,) = write_beside("zoo", rknn)
    assert lines.read_text().splitlines() == ["red car", "person with: hat", "2 wheels"]


def test_what_a_program_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="one scale of int8 cannot hold"):
        layout_for("frigate", "i8")
    with pytest.raises(ExportError, match="Frigate does not run on the NPU of rv1106"):
        check_for("frigate", "rv1106")
    with pytest.raises(ExportError, match="rknn-toolkit-lite2, which there is not for rv1103"):
        check_for("ultralytics", "rv1103")
    with pytest.raises(ModelError, match="unknown platform"):
        check_for("zoo", "rk1")
    with pytest.raises(ExportError, match="80 classes are more than 84 boxes"):
        check_shape("frigate", 80, 84, 3)
    programs: tuple[Program, ...] = ("frigate", "zoo")
    for program in programs:
        with pytest.raises(ExportError, match=f"pictures in colour, and this one is of grey ones: .* --for {program}"):
            check_shape(program, 80, 8400, 1)
    check_shape("ultralytics", 80, 8400, 1)


def test_each_model_for_ultralytics_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = [f"m-ultralytics-{end}.rknn" for end in ("rk3588-i8", "rk3588-fp16", "rk3576-i8")]
    folders = [folder_for("ultralytics", tmp_path / name) for name in names]
    assert [folder.name for folder in folders] == [
        "m-rk3588-i8_rknn_model",
        "m-rk3588-fp16_rknn_model",
        "m-rk3576-i8_rknn_model",
    ]
    folders[0].mkdir()
    (folders[0] / names[0]).touch()
    assert folder_for("ultralytics", tmp_path / names[0]) == folders[0], "made again, it takes the place of the old"
    (folders[0] / names[1]).touch()
    with pytest.raises(ExportError, match=rf"has {names[1]}, and ultralytics would take either"):
        folder_for("ultralytics", tmp_path / names[0])


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        ("sums", "leave out --for zoo, which is for detection and segmentation"),
        ("pixels", "leave out --for, as Frigate takes detection models only, like --for ultralytics"),
        ("decoded", "leave out --head decoded or --for ultralytics"),
    ],
)
def test_a_task_that_no_program_takes(layout: Layout, words: str) -> None:
    with pytest.raises(ExportError, match=f"Pose is a head that is exported split: {words}"):
        split_only("Pose", layout)
    split_only("Segment", layout, layout)


@pytest.mark.parametrize(
    ("reg_max", "strides", "words"),
    [
        (1, (8, 16, 32), "boxes are no distributions"),
        (16, (8, 16, 32, 64), "has boxes of 4 strides, and the model zoo's programs expect those of 3"),
        (16, (16, 32), "has boxes of 2 strides"),
    ],
)
def test_heads_that_the_zoo_s_programs_would_misread(reg_max: int, strides: tuple[int, ...], words: str) -> None:
    """YOLO26's, those of the P2 and P6 variants, and YOLOv3-tiny's; of masks too."""
    exports: tuple[Any, ...] = (DetectHead(), SegmentHead())
    for exported in exports:
        head = type(exported.kinds[0], (), {"reg_max": reg_max, "stride": strides, "nm": 32})()
        model = SimpleNamespace(model=[head])
        with pytest.raises(ExportError, match=words):
            exported.describe(model, "sums")
        assert exported.describe(model, "split")["reg_max"] == reg_max
