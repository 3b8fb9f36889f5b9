"""The simulator of rknn-toolkit 1.x: what is recorded is built again, and what has changed since is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DEMO_ONNX
from tests.convert.first.conftest import IMAGES, Interpreter
from tests.fakes.tiny_onnx import anchored_net
from yolorknn.convert.first.build import build_first
from yolorknn.convert.first.plan import FirstRequest
from yolorknn.convert.first.simulator import FirstSimulatorSession
from yolorknn.errors import BuildError, CalibrationError, InferenceError, ModelError
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.model.first_file import read_first
from yolorknn.predict.open_model import Place, open_model
from yolorknn.tasks.known import output_shapes
from yolorknn.toolkits.first import NAMED


@pytest.mark.parametrize("version", ["3.6", "3.8"])
def test_the_simulator(version: str, toolkit1: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The .onnx is built again, not pre-compiled, with the set that is recorded; arrays go there and back."""
    python = toolkit1(version, numpy=True)
    monkeypatch.setenv(NAMED, str(python))
    dataset = tmp_path / "images"
    dataset.mkdir()
    for image in IMAGES:
        (dataset / image.name).symlink_to(image)
    made = build_first(FirstRequest(DEMO_ONNX, "rv1126", dataset=dataset), python=python, output=tmp_path)
    metadata = read_first(made)
    session = FirstSimulatorSession(made, metadata)
    try:
        pixels = np.full((1, *metadata.image_shape), 51, np.uint8)
        outputs = session.run({session.inputs[0].name: pixels})
        assert {name: array.shape for name, array in outputs.items()} == output_shapes(metadata)
        assert all(array.dtype == np.float32 and np.allclose(array, 0.2) for array in outputs.values())
        with pytest.raises(InferenceError, match=r"rknn-toolkit 1\.7 returned nothing: E inference"):
            session.run({session.inputs[0].name: pixels.astype(np.float32)})
    finally:
        session.close()
    (dataset / IMAGES[0].name).unlink()
    with pytest.raises(CalibrationError, match=r"does not hold the 3 images that the \.rknn was calibrated with"):
        FirstSimulatorSession(made, metadata)


def test_the_simulator_of_what_a_glob_calibrated_and_whose_anchors_were_given(
    toolkit1: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither stands in the .onnx: both are taken from what is recorded."""
    python, onnx, sizes = toolkit1("3.8", numpy=True), anchored_net(tmp_path / "v5.onnx"), PUBLISHED["yolov5"]
    for image in IMAGES:
        (tmp_path / image.name).symlink_to(image)
    request = FirstRequest(onnx, "rk1808", dataset=tmp_path / "*.jpg", names=["a", "b"], anchors=sizes)
    made = build_first(request, python=python)
    monkeypatch.setenv(NAMED, str(python))
    session = FirstSimulatorSession(made, read_first(made))
    session.close()
    assert session.metadata == read_first(made) and sum(session.metadata.anchors, ()) == sizes
    assert session.metadata.build is not None and session.metadata.build.images == len(IMAGES)


def test_open_model(toolkit1: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--simulate goes to that simulator; without, a PC is told what the file is for."""
    made = build_first(FirstRequest(DEMO_ONNX, "rk3399pro"), python=toolkit1("3.6"), output=tmp_path)
    with pytest.raises(ModelError, match="runs on a board with rk3399pro, which this machine is not: copy it and its"):
        open_model(made)
    with pytest.raises(ModelError, match="is for a chip of the first generation"):
        open_model(made, Place(device=True))
    monkeypatch.setenv("YOLORKNN_TOOLKIT1", str(toolkit1("3.6")))
    with pytest.raises(BuildError, match=r"has no numpy.*: pip install numpy there"):
        open_model(made, Place(simulate=True))
    monkeypatch.setenv("YOLORKNN_TOOLKIT1", str(toolkit1("3.8", numpy=True)))
    metadata, (backend,) = open_model(made, Place(simulate=True))
    outputs = backend.infer(np.zeros(metadata.image_shape, np.uint8))
    backend.close()
    assert [array.shape for array in outputs] == list(output_shapes(metadata).values())
