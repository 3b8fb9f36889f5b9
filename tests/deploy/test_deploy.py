"""Deploying, without a board: what is refused before connecting, folders, and how far a board must agree."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_torch
from tests.fakes import other_networks
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn import DeployError, Detections, Detector, ModelError, SourceError
from yolorknn.deploy.deploy import Deployment, expect, local_side
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board, absolute
from yolorknn.files import sha256
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.model.metadata import Build
from yolorknn.predict.open_model import read_metadata
from yolorknn.tasks.agreement import Agreement

BOARD = Board("/usr/bin/python3", python=(3, 11), glibc=36, home="/home/rock", user="rock", root=False, groups=())


def deployment(*rows: Agreement) -> Deployment:
    return Deployment(BOARD, Installed("/home/rock/yolorknn", "m.rknn"), findings=(), rows=rows, reference="x.onnx")


def test_the_least_agreement() -> None:
    good = Agreement("", 10, 10, (0.9,) * 8, (0.0,) * 8)
    deployment(good).check()
    nothing = deployment(Agreement("", 0, 0, (), ()))
    nothing.check()
    for said in (nothing.told, nothing.table()):
        assert said.endswith("neither finds anything in one image, which shows little: give --samples with objects")
    assert "neither" not in deployment(good).told + deployment(good).table()
    with pytest.raises(DeployError, match=r"agrees with x\.onnx in 75% of what they find, less than 80%"):
        deployment(good, Agreement("", 10, 10, (0.9,) * 7, (0.0,) * 7)).check()


def test_folders_of_the_board() -> None:
    assert absolute(BOARD, "yolorknn") == "/home/rock/yolorknn" == absolute(BOARD, "~/yolorknn/")
    assert absolute(BOARD, "/srv/y z") == "/srv/y z" and absolute(BOARD, "~") == "/home/rock"


def test_what_is_refused_before_connecting(tmp_path: Path) -> None:
    build = Build("rk3588", "i8", "2.3.2", dataset=str(tmp_path / "gone.txt"), images=3)
    metadata = replace(split_metadata((64, 64), 3), source="m.onnx", sha256=sha256(DEMO_ONNX), build=build)
    model = write_rknn(tmp_path / "m.rknn", metadata)
    with pytest.raises(ModelError, match="there is no model file"):
        local_side(tmp_path / "absent.rknn", None, simulate=False)
    with pytest.raises(ModelError, match=r"demo\.onnx is not a \.rknn file: build one"):
        local_side(DEMO_ONNX, None, simulate=False)
    with pytest.raises(ModelError, match=r"there is no .*m\.onnx, with which to compare"):
        local_side(model, DATASET, simulate=False)
    shutil.copy(DEMO_ONNX, tmp_path / "m.onnx")
    for samples in (None, tmp_path / "absent"):
        with pytest.raises(SourceError, match=r"there is no .*(gone.txt|absent) to compare on: give --samples"):
            local_side(model, samples, simulate=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty has no images to compare on"):
        local_side(model, tmp_path / "empty", simulate=False)
    (tmp_path / "gone.txt").write_text(f"{DATASET}/images/0003.jpg\n")  # a list, of images that lie elsewhere
    assert local_side(model, None, simulate=False)[1] == [DATASET / "images/0003.jpg"]
    with (tmp_path / "m.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="has changed since"):
        local_side(model, DATASET, simulate=False)


@needs_torch
@needs_ort
def test_the_pc_is_told_of_the_onnx_what_the_build_was(tmp_path: Path) -> None:
    """Anchor boxes, and the mean and std that the network was trained with, stand in the .rknn alone."""
    import onnx
    from onnx import numpy_helper

    names, image = [f"s{stride}" for stride in (8, 16, 32)], DATASET / "images/0000.jpg"
    plain = other_networks.write(tmp_path / "plain.onnx", other_networks.anchored(4), names=names)
    changed = onnx.load(str(plain))  # of pixels from 0 to 255, which only its weights show
    (first,) = (node.input[1] for node in changed.graph.node if "images" in node.input)
    (weights,) = (tensor for tensor in changed.graph.initializer if tensor.name == first)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) / 255, first))
    source = tmp_path / "v5.onnx"
    onnx.save(changed, str(source))
    build = Build("rk3588", "fp16", "2.3.2")
    stated = replace(read_metadata(source, anchors=PUBLISHED["yolov5"]), std=(1.0, 1.0, 1.0), build=build)
    stated = replace(stated, source=source.name, sha256=sha256(source))
    model = write_rknn(tmp_path / "v5-rk3588-fp16.rknn", stated, dtype=None)
    found = expect(model, *local_side(model, image, simulate=False), simulate=False, dataset=None).found
    with Detector(plain, anchors="yolov5") as detector:
        expected = detector.detect(image)
    assert isinstance(found[0], Detections) and len(expected) > 0
    assert np.allclose(found[0].xyxy, expected.xyxy, atol=0.1)
