""".pt -> .onnx: a stock ultralytics checkpoint to a fixed-shape, RKNN-friendly ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.convert.export.checkpoint import channels_of, computing, load, names_of, quiet, trained_imgsz
from yolorknn.convert.export.custom_op import rename_softmax
from yolorknn.convert.export.heads import head_of
from yolorknn.errors import ExportError
from yolorknn.files import atomic, check_folder, sha256
from yolorknn.model.metadata import ONNX_KEY, Head, ModelMetadata

OPSETS = range(12, 20)
"""What rknn-toolkit2 reads well; 20 and above it refuses."""

COLOURS = {1: "GRAY", 3: "RGB"}
"""What images of so many channels are."""

TOLERANCE = 1e-3
"""Largest difference between torch and onnxruntime on one output, relative to that output's range."""


def export(
    checkpoint: str | Path,
    *,
    imgsz: tuple[int, int] | None = None,
    head: Head = "split",
    custom_softmax: bool = False,
    opset: int | None = None,
    output: str | Path | None = None,
    trust: bool = False,
) -> Path:
    """Export a detection checkpoint to NAME.onnx, batch 1, with its metadata inside, checked against torch.

    Args:
        checkpoint: a .pt of ultralytics; an absent file with an official weight's name is fetched by ultralytics.
        imgsz: height and width of the input, multiples of the largest stride; default is what the model was trained at.
        head: "split" (per stride box logits and class scores) or "decoded" ((1, 4+nc, anchors), coordinates / imgsz).
        custom_softmax: rename every Softmax to the custom op cstSoftmax.
        opset: 12 to 19; default is the lowest that can express the model.
        output: folder; default is the checkpoint's.
        trust: load the checkpoint with code of its own that it may have; without, only ultralytics' and torch's layers.

    Returns:
        Path of the .onnx.

    Raises:
        ExportError: not such a checkpoint, or imgsz does not fit it.
        OutputError: the folder cannot be written.
        MissingDependencyError: ultralytics or onnx is not installed.
    """
    if opset is not None and opset not in OPSETS:
        raise ExportError(f"opset {opset} is not in {OPSETS[0]} to {OPSETS[-1]}, which rknn-toolkit2 reads")
    checkpoint = Path(checkpoint)
    target = Path(output or checkpoint.parent) / f"{checkpoint.stem}.onnx"
    check_folder(target.parent)
    with quiet():
        model, file = load(checkpoint, trust=trust)
        exported = head_of(model)
        size = imgsz or trained_imgsz(model)
        _check_imgsz(size, int(max(model.stride)))
        with computing(checkpoint):
            described, channels = exported.describe(model, head), channels_of(model)
        if channels not in COLOURS:
            raise ExportError(
                f"{checkpoint} takes images of {channels} channels, which no picture has: models of 3 "
                "channels, and of 1 for grey pictures, can be exported"
            )
        metadata = ModelMetadata(
            names=names_of(model),
            imgsz=size,
            head=head,
            task=exported.task,
            **described,
            colour=COLOURS[channels],
            custom_softmax=custom_softmax,
            source=file.name,
            sha256=sha256(file),
        )
        with atomic(target) as temporary, computing(checkpoint):
            _write(exported.prepare(model, head), metadata, opset, temporary)
    return target


def _first_line(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0][:200] if lines else "no reason given"


def _check_imgsz(imgsz: tuple[int, int], stride: int) -> None:
    fitting = tuple(max(round(side / stride), 1) * stride for side in imgsz)
    if imgsz != fitting:
        raise ExportError(
            f"imgsz {imgsz[0]},{imgsz[1]} does not fit the model's stride {stride}: use {fitting[0]},{fitting[1]}"
        )


def _write(module: Any, metadata: ModelMetadata, opset: int | None, path: Path) -> None:
    import onnx
    import torch

    images = torch.from_numpy(sample(metadata.imgsz)[:, : metadata.channels])
    with torch.no_grad():
        expected = module(images)  # also fills the anchor points before tracing
    expected = [array.numpy() for array in (expected if isinstance(expected, tuple) else (expected,))]
    for number in [opset] if opset else OPSETS:
        try:
            torch.onnx.export(
                module,
                images,
                str(path),
                opset_version=number,
                input_names=["images"],
                output_names=[out.name for out in metadata.outputs],
                do_constant_folding=True,
                dynamo=False,
            )
            break
        except torch.onnx.errors.UnsupportedOperatorError as exc:
            if number in (opset, OPSETS[-1]):
                raise ExportError(f"the model cannot be written at opset {number}: {_first_line(exc)}") from exc
    _check_same(path, images.numpy(), expected)
    graph = onnx.load(str(path))
    if metadata.custom_softmax:
        rename_softmax(graph)
    graph.metadata_props.add(key=ONNX_KEY, value=metadata.to_json())
    onnx.save(graph, str(path))


def sample(imgsz: tuple[int, int]) -> Any:
    """Return random patches of colour with soft edges, float32 (1, 3, h, w) in 0..1.

    White noise would not do: it is like no picture, and deep networks amplify rounding errors on it a hundredfold.
    """
    patches = np.random.default_rng(0).random((8, 8, 3), np.float32)
    return cv2.resize(patches, imgsz[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)[None].copy()


def _check_same(path: Path, images: Any, expected: list[Any]) -> None:
    """Compare what onnxruntime computes with what torch computed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for node, got, want in zip(session.get_outputs(), session.run(None, {"images": images}), expected, strict=True):
        off = float(np.abs(got - want).max())
        if not off <= TOLERANCE * max(1.0, float(np.ptp(want))):
            raise ExportError(
                f"the exported ONNX disagrees with torch by {off:.3g} on {node.name}: try another --opset"
            )
