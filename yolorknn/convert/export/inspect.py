"""What a .pt says of itself, read without running any of it, and without torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from yolorknn.convert.export.checkpoint import check_contents
from yolorknn.convert.export.other_pt import model_of
from yolorknn.convert.export.pickled import Contents, Thing, reading
from yolorknn.errors import ExportError

_DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
_TASKS = {
    "DetectionModel": "detect", "SegmentationModel": "segment", "PoseModel": "pose", "OBBModel": "obb",
    "ClassificationModel": "classify", "YOLOv10DetectionModel": "detect", "RTDETRDetectionModel": "detect",
}  # fmt: skip
_MOST_STRIDES = 16


def inspect(checkpoint: Path) -> dict[str, Any]:
    """Return the facts as plain JSON values.

    Raises:
        ExportError: not a checkpoint of ultralytics, or a damaged one.
    """
    found = check_contents(checkpoint)
    model = model_of(found.root)
    try:
        with reading(checkpoint):
            layers = list(_child(model, "model").attributes["_modules"].values())
            return {
                "task": _task(model),
                "names": _names(model.attributes["names"]),
                "imgsz": _imgsz(found.root.get("train_args") or model.attributes.get("args")),
                "head": layers[-1].kind.rpartition(".")[2],
                "strides": _strides(found, model.attributes["stride"]),
                "parameters": sum(map(_count, _parameters(model))),
            }
    except Exception as exc:
        raise ExportError(f"{checkpoint} is not a whole checkpoint of ultralytics: {exc}") from exc


def _child(thing: Thing, name: str) -> Thing:
    child = thing.attributes["_modules"][name]
    if not isinstance(child, Thing):
        raise TypeError(f"{name} is no layer")
    return child


def _task(model: Thing) -> str:
    task = model.attributes.get("task")
    return task if isinstance(task, str) else _TASKS.get(model.kind.rpartition(".")[2], "unknown")


def _names(names: Any) -> list[str]:
    if isinstance(names, dict):
        names = {int(number): name for number, name in names.items()}
    if isinstance(names, dict) and names.keys() != set(range(len(names))):
        raise ValueError("its classes are not numbered from 0 on")
    listed = [names[number] for number in range(len(names))]
    if not all(isinstance(name, (str, int)) for name in listed):
        raise TypeError("its class names are no text")
    return [str(name) for name in listed]


def _imgsz(arguments: Any) -> list[int]:
    fields = arguments.attributes if isinstance(arguments, Thing) else arguments or {}
    size = fields.get("imgsz", 640)
    return [int(size), int(size)] if isinstance(size, int) else [int(size[0]), int(size[-1])]


def _strides(found: Contents, tensor: Thing) -> list[int]:
    storage, offset, shape = tensor.args[:3]
    kind, key = storage.args[1:3]
    count = int(np.prod(shape, dtype=object))
    if not 0 <= count <= _MOST_STRIDES:
        raise ValueError("its strides are no short list")
    values = np.frombuffer(found.read(key), _DTYPES[kind.name])[offset : offset + count]
    return [int(stride) for stride in values]


def _parameters(model: Thing) -> Iterator[Thing]:
    """Yield every parameter once."""
    waiting, seen = [model], set[int]()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or not isinstance(thing, Thing):
            continue
        seen.add(id(thing))
        for parameter in thing.attributes.get("_parameters", {}).values():
            if isinstance(parameter, Thing) and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
        waiting += thing.attributes.get("_modules", {}).values()


def _count(parameter: Thing) -> int:
    return int(np.prod(parameter.args[0].args[2], dtype=object))
