"""A .pt of ultralytics: read, and what it says of itself."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolorknn.errors import ExportError, MissingDependencyError


def inspect(checkpoint: Path) -> dict[str, Any]:
    """Return what a .pt says of itself, as plain JSON values.

    Raises:
        ExportError: not a checkpoint of ultralytics.
        MissingDependencyError: ultralytics is not installed.
    """
    with quiet():
        model, _ = load(checkpoint)
    head = model.model[-1]
    return {
        "task": str(getattr(model, "task", "unknown")),
        "names": list(names_of(model)),
        "imgsz": list(trained_imgsz(model)),
        "head": type(head).__name__,
        "strides": [int(stride) for stride in model.stride],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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


def load(checkpoint: Path) -> tuple[Any, Path]:
    """Return the model, and the file it is of: a weight that ultralytics fetched lies where it put it.

    Raises:
        ExportError: not such a checkpoint.
    """
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


def trained_imgsz(model: Any) -> tuple[int, int]:
    """Return the height and width that it was trained at."""
    arguments = getattr(model, "args", None)
    size = (arguments if isinstance(arguments, dict) else vars(arguments or object)).get("imgsz", 640)
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
    return height, width


def names_of(model: Any) -> tuple[str, ...]:
    """Return the class names by class id."""
    names = model.names
    return tuple(str(names[i]) for i in range(len(names)))
