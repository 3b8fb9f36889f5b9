""".pt -> .onnx: a stock ultralytics checkpoint to a fixed-shape, RKNN-friendly ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np

from yolorknn.convert.export.checkpoint import (
    channels_of,
    check_names,
    computing,
    load,
    names_of,
    quiet,
    trained_imgsz,
)
from yolorknn.convert.export.custom_op import rename_softmax
from yolorknn.convert.export.heads import head_of
from yolorknn.convert.export.parity import check_same
from yolorknn.convert.export.programs import Layout, check_shape, layout_for
from yolorknn.convert.export.prompted import without_prompts
from yolorknn.convert.export.torch_versions import unsupported, write_onnx
from yolorknn.errors import ExportError
from yolorknn.files import atomic, check_folder, sha256
from yolorknn.image import height_and_width
from yolorknn.model.metadata import ONNX_KEY, Head, ModelMetadata, Program
from yolorknn.model.platforms import Dtype
from yolorknn.text import short_reason

OPSETS = range(12, 20)
"""What rknn-toolkit2 reads well; 20 and above it refuses."""

COLOURS = {1: "GRAY", 3: "RGB"}
"""What images of so many channels are."""


def export(
    checkpoint: str | Path,
    *,
    imgsz: int | tuple[int, int] | None = None,
    head: Head = "split",
    custom_softmax: bool = False,
    opset: int | None = None,
    output: str | Path | None = None,
    trust: bool = False,
    program: Program | None = None,
    dtype: Dtype = "fp16",
) -> Path:
    """Export a checkpoint to NAME.onnx, batch 1, with its metadata inside, checked against torch.

    Args:
        checkpoint: a .pt of ultralytics; an absent file with an official weight's name is fetched by ultralytics.
        imgsz: side, or height and width, of the input, multiples of the largest stride; default is what the model was
            trained at.
        head: "split" (per stride box logits and class scores) or "decoded" ((1, 4+nc, anchors), coordinates / imgsz).
        custom_softmax: rename every Softmax to the custom op cstSoftmax.
        opset: 12 to 19; default is the lowest that can express the model.
        output: folder; default is the checkpoint's.
        trust: load the checkpoint with code of its own that it may have; without, only ultralytics' and torch's layers.
        program: export for another program, whose layout of outputs is taken in place of `head`, to NAME-PROGRAM.onnx:
            "frigate", "zoo" (Rockchip's rknn_model_zoo) or "ultralytics".
        dtype: with program, of the .rknn to be built: ultralytics' code takes another layout in int8.

    Returns:
        Path of the .onnx.

    Raises:
        ExportError: not such a checkpoint, or imgsz does not fit it.
        OutputError: the folder cannot be written.
        MissingDependencyError: ultralytics or onnx is not installed.
        ValueError: imgsz is no size, or there is no such head, program or dtype.
    """
    asked = None if imgsz is None else height_and_width(imgsz)
    _check_one_of("head", head, get_args(Head))
    _check_one_of("dtype", dtype, get_args(Dtype))
    if program is not None:
        _check_one_of("program", program, get_args(Program))
    if opset is not None and opset not in OPSETS:
        raise ExportError(f"opset {opset} is not in {OPSETS[0]} to {OPSETS[-1]}, which rknn-toolkit2 reads")
    checkpoint = Path(checkpoint)
    layout: Layout = layout_for(program, dtype) if program else head
    target = Path(output or checkpoint.parent) / f"{checkpoint.stem}{f'-{program}' if program else ''}.onnx"
    check_folder(target.parent)
    with quiet():
        model, file = load(checkpoint, trust=trust)
        with computing(checkpoint):
            model = without_prompts(model)
        exported = head_of(model)
        size = asked or trained_imgsz(model)
        _check_imgsz(size, int(max(model.stride)))
        with computing(checkpoint):
            check_names(model)
            described, channels = exported.describe(model, layout), channels_of(model)
        if channels not in COLOURS:
            raise ExportError(
                f"{checkpoint} takes images of {channels} channels, which no picture has: models of 3 "
                "channels, and of 1 for grey pictures, can be exported"
            )
        metadata = ModelMetadata(
            names=names_of(model),
            imgsz=size,
            head="split" if layout in ("split", "sums") else "decoded",
            task=exported.task,
            **described,
            colour=COLOURS[channels],
            custom_softmax=custom_softmax,
            source=file.name,
            sha256=sha256(file),
        )
        if program:
            anchors = sum(size[0] * size[1] // int(stride) ** 2 for stride in model.stride)
            check_shape(program, len(metadata.names), anchors, channels)
        with atomic(target) as temporary, computing(checkpoint):
            _write(exported.prepare(model, layout), metadata, opset, temporary)
    return target


def _check_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is {' or '.join(map(repr, known))}, not {value!r}")


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
            write_onnx(
                module,
                images,
                str(path),
                opset_version=number,
                input_names=["images"],
                output_names=[out.name for out in metadata.outputs],
                do_constant_folding=True,
            )
            break
        except unsupported() as exc:
            if number in (opset, OPSETS[-1]):
                raise ExportError(f"the model cannot be written at opset {number}: {short_reason(exc)}") from exc
    check_same(path, {"images": images.numpy()}, expected, otherwise="try another --opset")
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
