"""Models of one channel go the whole way, from the checkpoint to boxes; of four they are refused in one sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, needs_ort, needs_toolkit, needs_torch
from tests.fakes.commands import run
from yolorknn import BuildOptions, Detector, ExportError, SimulatedNpu
from yolorknn.convert.build import build
from yolorknn.convert.export.export import export
from yolorknn.errors import BuildError
from yolorknn.image import letterbox, read_image
from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import open_model
from yolorknn.tasks.known import metadata_of

pytestmark = [needs_torch, needs_ort]


def checkpoint(folder: Path, channels: int) -> Path:
    """A network with random weights, whose classes are found somewhere in any picture."""
    import torch
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    torch.manual_seed(0)
    model = DetectionModel(copy.deepcopy(yaml_model_load("yolov8n.yaml")), ch=channels, nc=2, verbose=False)
    model.names = {0: "a", 1: "b"}
    torch.save({"model": model.half(), "train_args": {"imgsz": 96}}, folder / "grey.pt")
    return folder / "grey.pt"


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(checkpoint(tmp_path_factory.mktemp("grey"), 1))


def outputs_of(model: Path, image: Any, **options: Any) -> list[np.ndarray]:
    metadata, backends = open_model(model, **options)
    try:
        return [np.asarray(output) for output in backends[0].infer(letterbox(image, metadata.imgsz)[0])]
    finally:
        for backend in backends:
            backend.close()


def test_a_grey_model_computes_what_torch_does(grey: Path) -> None:
    import torch

    image = read_image(DATASET / "images/0000.jpg")
    metadata = metadata_of(onnx_file.read(grey))
    assert (metadata.colour, metadata.channels, metadata.image_shape) == ("GRAY", 1, (96, 96, 1))
    assert ModelMetadata.from_json(metadata.to_json()) == metadata
    pixels = cv2.cvtColor(letterbox(image, (96, 96))[0], cv2.COLOR_RGB2GRAY)
    model = torch.load(grey.with_suffix(".pt"), weights_only=False)["model"].float().eval()
    with torch.no_grad():
        raw = model.model[-1]
        kept: list[Any] = []
        raw.register_forward_pre_hook(lambda _, given: kept.extend(given[0]))
        model(torch.from_numpy(pixels[None, None].astype(np.float32) / 255))
        expected = [
            output.numpy()
            for number, feature in enumerate(kept)
            for output in (raw.cv2[number](feature), raw.cv3[number](feature).sigmoid())
        ]
    for got, want in zip(outputs_of(grey, image), expected, strict=True):
        assert got == pytest.approx(want, abs=2e-3)
    with Detector(grey, conf=0.001) as detector:
        grey_picture = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        assert len(detector.detect(image)) == len(detector.detect(grey_picture))


def test_a_grey_model_of_others_is_recognised(grey: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(grey))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "other.onnx"))
    assert metadata_of(onnx_file.read(tmp_path / "other.onnx")).colour == "GRAY"


def test_a_program_gives_colour_and_a_simulated_core_takes_it(grey: Path) -> None:
    with Detector(grey, backends=[SimulatedNpu(grey, 0.1)]) as detector:
        assert len(detector.detect(DATASET / "images/0000.jpg")) > 0


@pytest.mark.parametrize("channels", [2, 4, 10])
def test_other_channels_are_refused(tmp_path: Path, channels: int) -> None:
    with pytest.raises(ExportError, match=f"takes images of {channels} channels, which no picture has"):
        export(checkpoint(tmp_path, channels))
    assert list(tmp_path.iterdir()) == [tmp_path / "grey.pt"]


def test_mean_and_std_are_one_number(grey: Path) -> None:
    metadata = metadata_of(onnx_file.read(grey))
    options = BuildOptions(config={"mean_values": [[3]], "std_values": [2.0]})
    changed = options.normalised(metadata)
    assert (changed.mean, changed.std) == ((3, 3, 3), (2, 2, 2))
    with pytest.raises(BuildError, match="is not one number, for the one channel"):
        BuildOptions(config={"mean_values": [[3, 3, 3]]}).normalised(metadata)


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("dtype", ["fp16", pytest.param("i8", marks=pytest.mark.slow)])
def test_a_grey_model_is_built_and_simulated(grey: Path, tmp_path: Path, dtype: str) -> None:
    image = read_image(DATASET / "images/0000.jpg")
    for number in range(3):
        (tmp_path / f"{number}.jpg").symlink_to(DATASET / f"images/000{number}.jpg")
    made = build(grey, dataset=tmp_path if dtype == "i8" else None, output=grey.parent)
    file = rknn_file.read(made)
    assert file.inputs[0].shape == (1, 1, 96, 96) and metadata_of(file).colour == "GRAY"
    run("detect", DATASET / "images/0000.jpg", "-m", made, "--simulate", "--no-save")
    from yolorknn.predict.open_model import Place

    simulated = outputs_of(made, image, place=Place(simulate=True))
    for got, want in zip(simulated, outputs_of(grey, image), strict=True):
        assert got == pytest.approx(want, abs=0.5 if dtype == "i8" else 0.05)
