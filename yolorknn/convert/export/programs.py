"""Models for other programs, as these take them: the layout of their outputs, and the files beside the .rknn."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from yolorknn.errors import ExportError
from yolorknn.files import write_bytes
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata, Program
from yolorknn.model.platforms import Dtype, get_platform
from yolorknn.tasks.known import metadata_of

Layout = Literal["split", "sums", "decoded", "pixels"]
"""Of a head's outputs: split, and with a sum of scores each; decoded in shares of imgsz, and in pixels."""
FRIGATE = ("rk3562", "rk3566", "rk3568", "rk3576", "rk3588")
"""The chips that Frigate's detector runs on."""
IN_FRIGATE = "/config/model_cache"
"""Where a user puts files that Frigate, in its container, is to read."""


def layout_for(program: Program, dtype: Dtype) -> Layout:
    """Return how a program takes a model of this dtype.

    Ultralytics' code multiplies coordinates by imgsz where the metadata says that the model is int8.

    Raises:
        ExportError: it takes none of this dtype.
    """
    if program == "zoo":
        return "sums"
    if program == "ultralytics":
        return "decoded" if dtype == "i8" else "pixels"
    if dtype == "i8":
        raise ExportError(
            "Frigate takes boxes in pixels and scores in one output, which one scale of int8 cannot hold: leave out "
            "--dataset, so that fp16 is built"
        )
    return "pixels"


def check_for(program: Program, platform: str) -> None:
    """Refuse a chip that a program does not run on.

    Raises:
        ExportError: it does not.
        ModelError: there is no such chip.
    """
    chip = get_platform(platform)
    if program == "frigate" and chip.name not in FRIGATE:
        raise ExportError(f"Frigate does not run on the NPU of {chip.name}, but of {', '.join(FRIGATE)}")
    if program == "ultralytics" and not chip.python:
        raise ExportError(f"ultralytics runs models by rknn-toolkit-lite2, which there is not for {chip.name}")


def check_shape(program: Program, classes: int, anchors: int, channels: int) -> None:
    """Refuse what a program would read the wrong way round, or has no pictures for.

    Raises:
        ExportError: it would.
    """
    if program == "frigate" and 4 + classes >= anchors:
        raise ExportError(
            f"Frigate takes the longer side of its output for the boxes, and {classes} classes are more than {anchors} "
            "boxes: give a larger --imgsz"
        )
    if program != "ultralytics" and channels != 3:
        name = "Frigate shows its models" if program == "frigate" else "the model zoo's programs show their models"
        raise ExportError(f"{name} pictures in colour, and this one is of grey ones: leave out --for {program}")


def folder_for(program: Program, rknn: Path) -> Path:
    """Return the folder of a .rknn named as beside its .onnx: ultralytics knows its models by that of their folder.

    That folder is the .rknn's own, as ultralytics takes any that it finds there, and multiplies coordinates or not as
    the one metadata.yaml says.

    Raises:
        ExportError: another model is in it, of which ultralytics would take either.
    """
    if program != "ultralytics":
        return rknn.parent
    folder = rknn.parent / f"{''.join(rknn.stem.rsplit('-ultralytics', 1))}_rknn_model"
    others = [path.name for path in sorted(folder.rglob("*.rknn")) if path != folder / rknn.name]
    if others:
        raise ExportError(f"{folder} has {others[0]}, and ultralytics would take either: remove it, or give another -o")
    return folder


def write_beside(program: Program, rknn: Path) -> list[Path]:
    """Write what a program needs beside a .rknn made for it: names, settings.

    Args:
        program: which.
        rknn: the files are called after it.

    Returns:
        The files.

    Raises:
        OutputError: one cannot be written.
    """
    metadata = metadata_of(rknn_file.read(rknn))
    names = [" ".join(name.split()) for name in metadata.names]  # a line each
    if program == "zoo":
        return [_written(rknn.with_suffix(".labels.txt"), "".join(f"{name}\n" for name in names))]
    if program == "ultralytics":
        return [_written(rknn.with_name("metadata.yaml"), _yaml(_for_ultralytics(metadata)))]
    labels = rknn.with_suffix(".labelmap.txt")
    text = "".join(f"{number} {name}\n" for number, name in enumerate(names))
    words = f"# For Frigate's config.yml; {rknn.name} and {labels.name} go to its folder {IN_FRIGATE}.\n" + _yaml(
        _for_frigate(rknn, labels, metadata)
    )
    return [_written(labels, text), _written(rknn.with_suffix(".frigate.yml"), words)]


def _for_frigate(rknn: Path, labels: Path, metadata: ModelMetadata) -> Mapping[str, Any]:
    assert metadata.build is not None, "it is a .rknn's"
    chip = get_platform(metadata.build.platform)
    height, width = metadata.imgsz
    return {
        "detectors": {"rknn": {"type": "rknn", **({"num_cores": chip.cores} if chip.core_mask else {})}},
        "model": {
            "path": f"{IN_FRIGATE}/{rknn.name}",
            "model_type": "yolo-generic",
            "width": width,
            "height": height,
            "input_tensor": "nhwc",
            "input_pixel_format": metadata.colour.lower(),
            "input_dtype": "int",
            "labelmap_path": f"{IN_FRIGATE}/{labels.name}",
        },
    }


def _for_ultralytics(metadata: ModelMetadata) -> Mapping[str, Any]:
    """Return what AutoBackend reads; it suppresses duplicates itself, of an end-to-end head too."""
    return {
        "description": "YOLO model, exported by yolorknn",
        "stride": 32,
        "task": metadata.task,
        "batch": 1,
        "imgsz": list(metadata.imgsz),
        "names": dict(enumerate(metadata.names)),
        "args": {"batch": 1, "quantize": 8 if metadata.normalized else 16},
        "channels": metadata.channels,
        "end2end": False,
    }


def _yaml(value: Mapping[str, Any]) -> str:
    import yaml

    text = io.StringIO()
    yaml.safe_dump(value, text, sort_keys=False, allow_unicode=True)
    return text.getvalue()


def _written(path: Path, text: str) -> Path:
    write_bytes(path, text.encode())
    return path
