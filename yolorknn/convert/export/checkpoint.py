"""A .pt of ultralytics, loaded."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolorknn.convert.export import other_pt, restricted
from yolorknn.convert.export.pickled import Contents, Thing, Unreadable, contents
from yolorknn.convert.export.restricted import UntrustedError
from yolorknn.errors import ExportError, MissingDependencyError
from yolorknn.files import is_file, is_folder
from yolorknn.scratch import temporary_folder
from yolorknn.text import reason_of, short_reason

_one = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what ultralytics and torch print, and keep ultralytics from installing packages.

    One thread after the other, as both have one state for the process: else it stayed as another had it meanwhile.
    """
    os.environ["YOLO_AUTOINSTALL"] = "False"
    os.environ.setdefault("YOLO_VERBOSE", "False")  # else its first import on a machine prints to stdout
    try:
        import onnx  # noqa: F401
        from ultralytics.utils import LOGGER
    except ImportError as exc:
        raise MissingDependencyError(exc.name or "ultralytics", "export", "exporting a .pt") from exc
    with _one:
        level = LOGGER.level
        LOGGER.setLevel(logging.CRITICAL)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            LOGGER.setLevel(level)


def load(checkpoint: Path, *, trust: bool = False) -> tuple[Any, Path]:
    """Return the model, and the file it is of: a weight that ultralytics fetched lies where it put it.

    Args:
        checkpoint: a .pt of ultralytics, or the name of one of its official weights.
        trust: whether code in the file may run; see restricted.py.

    Raises:
        ExportError: not such a checkpoint, or one that cannot be loaded without running code of its own.
    """
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    if checkpoint.suffix.lower() == ".onnx":
        raise ExportError(f"{checkpoint} is exported already: build it with 'yolorknn build {checkpoint}'")
    if checkpoint.suffix.lower() != ".pt":
        raise ExportError(f"{checkpoint} is not a .pt: export takes a checkpoint trained with ultralytics")
    if is_folder(checkpoint):
        raise ExportError(f"{checkpoint} is a folder, not a .pt checkpoint")
    file = checkpoint
    if not is_file(checkpoint):
        if checkpoint.name not in GITHUB_ASSETS_NAMES:
            raise ExportError(f"there is no checkpoint {checkpoint}: give the path of a .pt trained with ultralytics")
        file = _fetched(checkpoint)
    check_contents(file)
    try:
        model = _trusted(file) if trust else _restricted(file)
        names_of(model), trained_imgsz(model), max(model.stride)
    except ExportError as exc:
        raise ExportError(f"{checkpoint} cannot be exported: {exc}") from exc
    except UntrustedError as exc:
        raise ExportError(_untrusted(checkpoint, exc.args)) from exc
    except Exception as exc:  # torch.load raises anything
        raise ExportError(f"{checkpoint} is not a checkpoint of ultralytics: it is truncated or damaged") from exc
    if not hasattr(model, "model"):
        raise ExportError(f"{checkpoint} is a {type(model).__name__}, not a YOLO model of ultralytics")
    return model, file


def check_contents(checkpoint: Path) -> Contents:
    """Return what a .pt holds, of which nothing is run.

    Raises:
        ExportError: it is no checkpoint of ultralytics; it is named.
    """
    try:
        if checkpoint.stat().st_size == 0:
            raise ExportError(f"{checkpoint} is empty: copy it again")
        found = contents(checkpoint)
    except OSError as exc:
        raise ExportError(f"cannot read {checkpoint}: {reason_of(exc)}") from exc
    except Unreadable as exc:
        what = other_pt.beginning(checkpoint) or "it is truncated, or a .pt of something else"
        raise ExportError(f"{checkpoint} is not a checkpoint of ultralytics: {what}") from exc
    if isinstance(found.root, Thing) and found.root.kind.startswith("torch.nn."):
        raise ExportError(f"{checkpoint} is a {found.root.kind.rpartition('.')[2]}, not a YOLO model of ultralytics")
    if not other_pt.is_ultralytics(found.root):
        raise ExportError(f"{checkpoint} is not a checkpoint of ultralytics, but {other_pt.name_foreign(found)}")
    return found


def _fetched(checkpoint: Path) -> Path:
    from ultralytics.utils.downloads import attempt_download_asset

    try:
        file = Path(attempt_download_asset(str(checkpoint)))
    except Exception as exc:  # it raises anything
        raise ExportError(f"{checkpoint} is not here and ultralytics could not fetch it: copy it here") from exc
    if not file.is_file():
        raise ExportError(f"{checkpoint} is not here and ultralytics could not fetch it: copy it here")
    return file


def _restricted(file: Path) -> Any:
    """Load as ultralytics' load_checkpoint does, but for what runs code."""
    import torch
    from ultralytics.nn.tasks import guess_model_task
    from ultralytics.utils import DEFAULT_CFG_DICT

    checkpoint = restricted.load(file)
    model = other_pt.model_of(checkpoint)
    restricted.check_layers(model)
    model = model.float().eval()
    model.args = {**DEFAULT_CFG_DICT, **(checkpoint.get("train_args") or {})}
    model.task = getattr(model, "task", None) or guess_model_task(model)
    if not hasattr(model, "stride"):
        model.stride = torch.tensor([32.0])
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = True
        elif isinstance(module, torch.nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None
    return model


def _trusted(file: Path) -> Any:
    from ultralytics.nn.tasks import load_checkpoint

    # By another name: ultralytics takes any yolov5n.pt for its own yolov5nu.pt, and fetches that.
    with temporary_folder("export") as folder:
        link = folder / "model.pt"
        link.symlink_to(file.resolve())
        return load_checkpoint(str(link))[0]


def _untrusted(checkpoint: Path, kinds: tuple[str, ...]) -> str:
    """Say what to do with a checkpoint whose network has classes that cannot be loaded without running their code."""
    named = f"{', '.join(kinds[:3])}{' and others' if len(kinds) > 3 else ''}"
    if all(kind.startswith("ultralytics.") for kind in kinds):
        return (
            f"{checkpoint} is of a fork of ultralytics or of another version: the one installed here has no {named}; "
            "update it, or export to ONNX where it was trained and build that"
        )
    return (
        f"{checkpoint} has {named}, which is not ultralytics' and runs code of its own when it is loaded: "
        "add --trust if the file is from someone you trust"
    )


@contextlib.contextmanager
def computing(checkpoint: Path) -> Iterator[None]:
    """Turn what a network that does not fit together raises into an ExportError."""
    try:
        yield
    except (RuntimeError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, AssertionError) as exc:
        what = f"{type(exc).__name__}: {short_reason(exc)}"
        raise ExportError(f"{checkpoint} has a network that cannot be exported: {what}") from exc


def trained_imgsz(model: Any) -> tuple[int, int]:
    """Return the height and width that it was trained at."""
    arguments = getattr(model, "args", None)
    size = (arguments if isinstance(arguments, dict) else vars(arguments or object)).get("imgsz", 640)
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))
    return height, width


def channels_of(model: Any) -> int:
    """Return how many channels its images have."""
    from torch import nn

    return next(int(module.in_channels) for module in model.modules() if isinstance(module, nn.Conv2d))


def names_of(model: Any) -> tuple[str, ...]:
    """Return the class names by class id, whose numbers may be text, as JSON has them.

    Raises:
        ExportError: the numbers are others than those from 0 on.
    """
    names = model.names
    numbered = {int(number): str(name) for number, name in names.items()} if isinstance(names, dict) else names
    if isinstance(numbered, dict) and numbered.keys() != set(range(len(numbered))):
        raise ExportError(f"the model's {len(numbered)} classes are not numbered from 0 on: set its names anew")
    return tuple(str(numbered[number]) for number in range(len(numbered)))


def check_names(model: Any) -> None:
    """Refuse names that are not those of the head's classes: of which else, nobody would know.

    Raises:
        ExportError: they are more or fewer.
    """
    head, count = model.model[-1], len(names_of(model))
    classes = int(head.linear.out_features if hasattr(head, "linear") else head.nc)
    if count != classes:
        raise ExportError(f"the model has {classes} classes and names {count}: set its names anew, one for each")
