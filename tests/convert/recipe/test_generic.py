"""Models that are no detectors, on the vendor's real toolkit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.other_formats import darknet_net
from tests.fakes.tiny_onnx import cast, embedding
from yolorknn import Detector
from yolorknn.convert.build import build
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, CalibrationError, MetadataError, ModelError
from yolorknn.model import rknn_file
from yolorknn.tasks.describe import describe

pytestmark = [needs_torch, needs_ort, needs_toolkit, pytest.mark.toolkit]

IMAGES = sorted((DATASET / "images").glob("*.jpg"))
HIDDEN = "/model.0/act/Mul_output_0"


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx"))


@pytest.fixture
def traced(tmp_path: Path) -> tuple[Path, Any]:
    import torch

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.ReLU()).eval()
    path = tmp_path / "né two.torchscript"
    torch.jit.trace(network, torch.zeros(1, 3, 32, 32)).save(str(path))
    return path, network


LOAD = {"input_size_list": [[1, 3, 32, 32]]}


def test_torchscript_under_the_name_pt_is_built_as_what_it_is(traced: tuple[Path, Any], tmp_path: Path) -> None:
    path = Path(shutil.copy(traced[0], tmp_path / "net.pt"))
    with pytest.raises(
        BuildError,
        match=r"needs input_size_list: 'yolorknn build .*net\.pt --generic --size 1x3x224x224' gives it",
    ):
        build(path)
    made = build(path, options=BuildOptions(load=LOAD))
    assert made.name == "net-rk3588-fp16.rknn" and rknn_file.read(made).generic
    assert describe(path)["format"] == "torchscript"


def test_a_torchscript_model_computes_what_torch_computes(traced: tuple[Path, Any], tmp_path: Path) -> None:
    import torch

    path, network = traced
    options = BuildOptions(load=LOAD, config={"mean_values": [[0, 0, 0]], "std_values": [[255, 255, 255]]})
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    request = BuildRequest(path, options=options, generic=True)
    with planned(request) as plan, Toolkit(Log(tmp_path / "x.log"), python=plan.toolkit.python) as toolkit:
        rknn = built(toolkit, plan)
        rknn.do("init_runtime")
        (found,) = rknn.infer(image[None])
    with torch.no_grad():
        expected = network(torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(255))).numpy()
    assert np.allclose(found, expected, atol=0.01)


def test_a_generic_model_is_quantized_and_says_that_it_is_no_detector(traced: tuple[Path, Any], tmp_path: Path) -> None:
    from yolorknn.tasks.describe import describe

    path, _ = traced
    (tmp_path / "images").mkdir()
    shutil.copy(IMAGES[0], tmp_path / "images/an image.jpg")
    made = build(path, dataset=tmp_path / "images", options=BuildOptions(load=LOAD))
    assert made.name == "né two-rk3588-i8.rknn"
    assert [tensor.dtype for tensor in rknn_file.read(made).outputs] == ["int8"]
    facts = describe(made)
    assert facts["generic"] is True and facts["source"] == path.name and "is a generic model" in facts["metadata"]
    assert facts["build"]["images"] == 1 and len(facts["build"]["digest"]) == len(facts["sha256"]) == 64
    assert facts["build"]["options"] == {"load": LOAD}
    with pytest.raises(MetadataError, match="is a generic model"):
        Detector(made)


def test_darknet_and_a_detector_taken_as_generic(tmp_path: Path, onnx: Path) -> None:
    cfg = tmp_path / "net.cfg"
    darknet_net(cfg).unlink()
    with pytest.raises(ModelError, match=r"needs its weights beside it, but there is no .*net.weights"):
        build(cfg)
    darknet_net(cfg)
    assert [tensor.shape for tensor in rknn_file.read(build(cfg)).outputs] == [(1, 8, 16, 16)]
    cut = rknn_file.read(build(onnx, generic=True, options=BuildOptions(load={"outputs": [HIDDEN]})))
    assert [tensor.name for tensor in cut.outputs] == [HIDDEN]


def test_generic_models_that_cannot_be_built(traced: tuple[Path, Any], onnx: Path, tmp_path: Path) -> None:
    path, _ = traced
    (tmp_path / "x.h5").write_bytes(b"")
    (tmp_path / "x.torchscript").write_bytes(b"junk")
    (tmp_path / "list.txt").write_text("an image.jpg\n")
    (tmp_path / "none.txt").write_text("\n")
    load = BuildOptions(load=LOAD)
    with pytest.raises(BuildError, match=r"needs input_size_list: .*' gives it, or \[load\] of --config"):
        build(path)
    with pytest.raises(BuildError, match=r"no 'input_size' in \[load\] for load_pytorch: .*'input_size_list'"):
        build(path, options=BuildOptions(load={"input_size": 1}))
    with pytest.raises(ModelError, match="there is no model file"):
        build(tmp_path / "absent.torchscript", options=load)
    with pytest.raises(ModelError, match=r"suffix '.h5': build reads .onnx, .torchscript"):
        build(tmp_path / "x.h5", generic=True)
    (tmp_path / "x.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"\.cfg; 'yolorknn export .*x\.pt' makes an \.onnx of a checkpoint$"):
        build(tmp_path / "x.pt", generic=True)
    with pytest.raises(BuildError, match="failed in load_pytorch"):
        build(tmp_path / "x.torchscript", options=load)
    with pytest.raises(BuildError, match="a generic model has none"):
        build(path, names=["a"], options=load)
    with pytest.raises(BuildError, match="add --generic"):
        build(onnx, options=load)
    with pytest.raises(CalibrationError, match=r"there is no file .* may have no spaces"):
        build(path, dataset=tmp_path / "list.txt", options=load)
    with pytest.raises(CalibrationError, match="has no images"):
        build(path, dataset=tmp_path / "none.txt", options=load)
    with pytest.raises(CalibrationError, match="cannot read the calibration set"):
        build(path, dataset=tmp_path / "absent", options=load)
    with pytest.raises(BuildError, match=r"ids.onnx leaves sides .* --generic --size ids=1xn', with numbers"):
        build(embedding(tmp_path / "ids.onnx", length="n"), generic=True)
    for kind in ("UINT8", "INT8", "INT16"):
        with pytest.raises(BuildError, match=rf"bytes.onnx takes x as {kind.lower()}, .* an input of floats"):
            build(cast(tmp_path / "bytes.onnx", kind), generic=True)
    assert not list(tmp_path.glob("*.rknn"))
