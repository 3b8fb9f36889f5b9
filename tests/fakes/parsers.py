"""Every parser of what others wrote, real inputs to it, and what it may raise: for tests and for scripts/fuzz.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.conftest import DATASET, DEMO, ROOT
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.convert.export.inspect import inspect
from yolorknn.convert.recipe import config
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.tables.estimate import estimate
from yolorknn.convert.tables.layers import lossy, parse_errors, parse_layers
from yolorknn.convert.tables.profile import parse_memory, parse_performance
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.dataset import Dataset, images_of
from yolorknn.data.labels import labels
from yolorknn.doctor.machine import numbers
from yolorknn.errors import SourceError, YolorknnError
from yolorknn.image import read_image
from yolorknn.measure.predictions import Predictions
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.packing import unpack
from yolorknn.model.read import read_file
from yolorknn.tasks.describe import describe
from yolorknn.tasks.known import metadata_of
from yolorknn.text import dumps, quoted, shown, shown_url, url_name

SAMPLES = ROOT / "tests/convert/tables/samples"


@dataclass(frozen=True)
class Parser:
    """One of them; `parse` has the input as a file."""

    name: str
    suffix: str
    seeds: Callable[[Path], list[bytes]]
    """Real inputs; what has to be made for them is made in the folder."""
    parse: Callable[[Path], object]
    raises: type[Exception] = YolorknnError


def _rknn(folder: Path) -> list[bytes]:
    build = Build("rk3588", "i8", "2.3.2", dataset="d", images=3, options={"proposal": 3})
    metadata = ModelMetadata(**{**split_metadata((64, 64), 2).__dict__, "build": build})
    return [
        write_rknn(folder / "seed.rknn", metadata).read_bytes(),
        write_rknn(folder / "seed.rknn", metadata, custom=None).read_bytes(),
    ]


def _small_onnx(folder: Path) -> list[bytes]:
    """Return models without weights, so that what is changed is what is read."""
    import onnx
    from onnx import TensorProto, helper

    metadata = split_metadata((64, 64), 2)
    from yolorknn.tasks.known import output_shapes

    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in output_shapes(metadata).items()]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 64, 64))
    nodes = [
        helper.make_node("RandomUniform", [], [out.name], shape=[d.dim_value for d in out.type.tensor_type.shape.dim])
        for out in outputs
    ]
    found = []
    for properties in ({"yolorknn": metadata.to_json()}, {"names": "{0: 'a', 1: 'b'}", "task": "detect"}, {}):
        model = helper.make_model(helper.make_graph(nodes, "g", [image], outputs))
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model)
        found.append(model.SerializeToString())
    return found


def _pictures(folder: Path) -> list[bytes]:
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), np.uint8)
    suffixes = (".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm", ".jp2", ".ras")
    return [bytes(cv2.imencode(suffix, picture)[1]) for suffix in suffixes]


def _checkpoint(folder: Path) -> list[bytes]:
    """Return the demo's without most of its weights."""
    import io
    import zipfile

    small = io.BytesIO()
    with zipfile.ZipFile(DEMO) as archive, zipfile.ZipFile(small, "w") as kept:
        for info in archive.infolist():
            if info.file_size < 200 or info.filename.endswith("data.pkl"):
                kept.writestr(info.filename, archive.read(info))
    return [small.getvalue()]


def _metadata(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "replace")
    metadata = ModelMetadata.from_json(text)
    if metadata.build is not None:
        BuildOptions.of(metadata.build).recorded()
    return ModelMetadata.from_json(metadata.to_json()), metadata.describe(), metadata.source_of(path)


def _model(path: Path) -> object:
    described = describe(path)
    dumps(described)
    return metadata_of(read_file(path))


def _yaml(path: Path) -> object:
    for read in (lambda: images_of(path, splits=("train", "val")), lambda: CalibrationSet.open(path)):
        try:
            read()
        except YolorknnError as exc:
            assert "\n" not in str(exc)
    return Dataset.open(path)


def _labels(path: Path) -> object:
    image = path.with_suffix(".jpg")
    return labels(image, classes=6)


def _log(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "replace")
    layers = parse_layers(text)
    return estimate(layers, "rk3588"), estimate(layers, "rv1106")


def _profile(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "replace")
    return parse_performance(text, where="x"), parse_memory(text, where="x")


def _toml(path: Path) -> object:
    options = config.read(path)
    options.check("i8")
    return options.recorded()


def _text(path: Path) -> object:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return shown(text), shown_url(text), url_name(text), quoted(text), dumps(text), numbers(text)


def _unpack(path: Path) -> object:
    return unpack(path.read_bytes().decode("latin-1"))


METADATA = ModelMetadata(
    **{**split_metadata((64, 96), 3).__dict__, "build": Build("rk3588", "i8", "2.3.2", options={"batch": 2})}
)
TOML = b"""algorithm = "normal"
float16 = ["a", "b"]
proposal = 0
[config]
model_pruning = true
[load]
inputs = ["x"]
"""
YAML = b"path: .\ntrain: images\nval: [images, images]\nnc: 2\nnames:\n  0: person\n  1: 'car'\n"
PROFILE = b"""Total Operator Elapsed Per Frame Time(us): 12345
  Conv     64     0     0     3456     3456     60.21%
  Add      6      10    0     66       76       1.01%
Total Weight Memory: 3.10 MiB
Total Internal Tensor Memory: 4.69 MiB
Total Memory: 7.79 MiB
"""


def _packed() -> bytes:
    from yolorknn.model.packing import pack

    return (pack(METADATA) or "").encode()


def _prediction() -> bytes:
    return json.dumps({"image": "a" * 64, "size": [4, 5], "boxes": "AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/"}).encode() + b"\n"


def _read_predictions(path: Path) -> object:
    predictions = Predictions(path.parent, name="x", key=())
    predictions.path.write_bytes(path.read_bytes())
    try:
        return Predictions(path.parent, name="x", key=()).get("a" * 64)
    finally:
        predictions.path.unlink()


def text_seeds(parser: Parser, folder: Path) -> list[Any]:
    """Return the seeds that are JSON, as values."""
    found = []
    for seed in parser.seeds(folder):
        try:
            found.append(json.loads(seed))
        except ValueError:
            continue
    return found


PARSERS = {
    parser.name: parser
    for parser in (
        Parser("metadata", ".json", lambda _: [METADATA.to_json().encode()], _metadata),
        Parser("packed", ".txt", lambda _: [_packed()], _unpack),
        Parser("rknn", ".rknn", _rknn, _model),
        Parser("onnx", ".onnx", _small_onnx, _model),
        Parser("checkpoint", ".pt", _checkpoint, inspect),
        Parser("picture", ".png", _pictures, read_image, SourceError),
        Parser("data.yaml", ".yaml", lambda _: [YAML, (DATASET / "data.yaml").read_bytes()], _yaml),
        Parser("labels", ".txt", lambda _: [b"0 0.5 0.5 0.1 0.1\n1 0.1 0.1 0.2 0.1 0.2 0.2\n"], _labels),
        Parser("toml", ".toml", lambda _: [TOML], _toml),
        Parser("layers", ".txt", lambda _: [(SAMPLES / "layers-rk3588.txt").read_bytes()[-6000:]], _log),
        Parser("errors", ".txt", lambda _: [(SAMPLES / "error_analysis.txt").read_bytes()[:4000]], lambda path: lossy(
            parse_errors(path.read_bytes().decode("utf-8", "replace")))),
        Parser("profile", ".txt", lambda _: [PROFILE], _profile),
        Parser("predictions", ".jsonl", lambda _: [_prediction()], _read_predictions),
        Parser("text", ".txt", lambda _: [b"rtsp://me:secret@cam:554/x?channel=1&token=2 \x1b[31m\n"], _text),
    )
}  # fmt: skip
