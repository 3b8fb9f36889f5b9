""".pt -> .onnx: a stock ultralytics checkpoint to a fixed-shape, RKNN-friendly ONNX."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from yolorknn.convert.export.custom_op import rename_softmax
from yolorknn.convert.export.heads import check_head, is_end_to_end, output_layout, prepare
from yolorknn.errors import ExportError, MissingDependencyError
from yolorknn.files import atomic, check_folder, sha256
from yolorknn.model.metadata import ONNX_KEY, Head, ModelMetadata

OPSETS = range(12, 20)
"""What rknn-toolkit2 reads well; 20 and above it refuses."""

TOLERANCE = 1e-3
"""Largest difference between torch and onnxruntime on one output, relative to that output's range."""


def export(
    checkpoint: Path,
    *,
    imgsz: tuple[int, int] | None = None,
    head: Head = "split",
    custom_softmax: bool = False,
    opset: int | None = None,
    output: Path | None = None,
) -> Path:
    """Export a detection checkpoint to NAME.onnx, batch 1, with its metadata inside, checked against torch.

    Args:
        checkpoint: a .pt of ultralytics; an absent file with an official weight's name is fetched by ultralytics.
        imgsz: height and width of the input, multiples of the largest stride; default is what the model was trained at.
        head: "split" (per stride box logits and class scores) or "decoded" ((1, 4+nc, anchors), coordinates / imgsz).
        custom_softmax: rename every Softmax to the custom op cstSoftmax.
        opset: 12 to 19; default is the lowest that can express the model.
        output: folder; default is the checkpoint's.

    Returns:
        Path of the .onnx.

    Raises:
        ExportError: not such a checkpoint, or imgsz does not fit it.
        OutputError: the folder cannot be written.
        MissingDependencyError: ultralytics or onnx is not installed.
    """
    if opset is not None and opset not in OPSETS:
        raise ExportError(f"opset {opset} is not in {OPSETS[0]} to {OPSETS[-1]}, which rknn-toolkit2 reads")
    target = (output or checkpoint.parent) / f"{checkpoint.stem}.onnx"
    check_folder(target.parent)
    with _quiet():
        model, file = _load(checkpoint)
        detect = check_head(model)
        size = imgsz or _trained_imgsz(model)
        _check_imgsz(size, int(max(detect.stride)))
        metadata = ModelMetadata(
            names=_names(model),
            imgsz=size,
            head=head,
            outputs=output_layout(detect, head),
            reg_max=int(detect.reg_max),
            normalized=head == "decoded",
            end_to_end=is_end_to_end(detect),
            custom_softmax=custom_softmax,
            source=file.name,
            sha256=sha256(file),
        )
        with atomic(target) as temporary:
            _write(model, metadata, opset, temporary)
    return target


def inspect(checkpoint: Path) -> dict[str, Any]:
    """Return what a .pt says of itself, as plain JSON values.

    Raises:
        ExportError: not a checkpoint of ultralytics.
        MissingDependencyError: ultralytics is not installed.
    """
    with _quiet():
        model, _ = _load(checkpoint)
    head = model.model[-1]
    return {
        "task": str(getattr(model, "task", "unknown")),
        "names": list(_names(model)),
        "imgsz": list(_trained_imgsz(model)),
        "head": type(head).__name__,
        "strides": [int(stride) for stride in model.stride],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what ultralytics and torch print, and keep ultralytics from installing packages."""
    os.environ["YOLO_AUTOINSTALL"] = "False"
    os.environ.setdefault("YOLO_VERBOSE", "False")  # else its first import on a machine prints to stdout
    try:
        import onnx  # noqa: F401
        from ultralytics.utils import LOGGER
    except ImportError as exc:
        raise MissingDependencyError(exc.name or "ultralytics", "export", "exporting a .pt") from exc
    level = LOGGER.level
    LOGGER.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        LOGGER.setLevel(level)


def _load(checkpoint: Path) -> tuple[Any, Path]:
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    if checkpoint.suffix.lower() != ".pt":
        raise ExportError(f"{checkpoint} is not a .pt: export takes a checkpoint trained with ultralytics")
    if checkpoint.is_dir():
        raise ExportError(f"{checkpoint} is a folder, not a .pt checkpoint")
    if not checkpoint.exists() and checkpoint.name not in GITHUB_ASSETS_NAMES:
        raise ExportError(f"there is no checkpoint {checkpoint}: give the path of a .pt trained with ultralytics")
    if checkpoint.exists() and checkpoint.stat().st_size == 0:
        raise ExportError(f"{checkpoint} is empty: copy it again")
    try:
        if checkpoint.exists():
            # By another name: ultralytics takes any yolov5n.pt for its own yolov5nu.pt, and fetches that.
            with tempfile.TemporaryDirectory(prefix="yolorknn-export-") as folder:
                link = Path(folder) / "model.pt"
                link.symlink_to(checkpoint.resolve())
                model, _ = load_checkpoint(str(link))
            file = checkpoint
        else:
            model, _ = load_checkpoint(str(checkpoint))
            file = Path(model.pt_path)
    except Exception as exc:  # torch.load raises anything
        if not checkpoint.exists():
            raise ExportError(f"{checkpoint} is not here and ultralytics could not fetch it: copy it here") from exc
        raise ExportError(
            f"{checkpoint} is not a checkpoint of ultralytics: it is truncated, or a .pt of something else"
        ) from exc
    if not hasattr(model, "model") or not hasattr(model, "names"):
        raise ExportError(f"{checkpoint} is a {type(model).__name__}, not a YOLO model of ultralytics")
    return model, file


def _first_line(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0][:200] if lines else "no reason given"


def _trained_imgsz(model: Any) -> tuple[int, int]:
    arguments = getattr(model, "args", None)
    size = (arguments if isinstance(arguments, dict) else vars(arguments or object)).get("imgsz", 640)
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
    return height, width


def _check_imgsz(imgsz: tuple[int, int], stride: int) -> None:
    fitting = tuple(max(round(side / stride), 1) * stride for side in imgsz)
    if imgsz != fitting:
        raise ExportError(
            f"imgsz {imgsz[0]},{imgsz[1]} does not fit the model's stride {stride}: use {fitting[0]},{fitting[1]}"
        )


def _names(model: Any) -> tuple[str, ...]:
    names = model.names
    return tuple(str(names[i]) for i in range(len(names)))


def _write(model: Any, metadata: ModelMetadata, opset: int | None, path: Path) -> None:
    import onnx
    import torch

    model.eval().float()
    for parameter in model.parameters():
        parameter.requires_grad = False
    module = prepare(model, metadata.head)
    images = torch.from_numpy(sample(metadata.imgsz))
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
