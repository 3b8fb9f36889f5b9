"""At which size models are measured: alike, where there is a choice; and what a model says of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolorknn.convert.export.inspect import inspect
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.predict.open_model import read_metadata


def size_of(model: Path, *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None) -> tuple[int, int]:
    """Return height and width of a model's input, of a .pt those that it was trained at.

    Raises:
        ModelError, ExportError: the model is absent or broken.
    """
    if model.suffix.lower() == ".pt":
        height, width = inspect(model)["imgsz"]
        return int(height), int(width)
    return read_metadata(model, names=names, anchors=anchors).imgsz


def names_of(model: Path, *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None) -> Sequence[str]:
    """Return the names of a model's classes, without running it.

    Raises:
        ModelError, ExportError: the model is absent or broken.
    """
    if model.suffix.lower() == ".pt":
        own: list[str] = inspect(model)["names"]
        return own
    return read_metadata(model, names=names, anchors=anchors).names


def size_to_compare_at(
    models: Sequence[Path], *, names: Sequence[str] | None = None, anchors: AnchorSizes | None = None
) -> tuple[int, int] | None:
    """Return the size at which models are alike: that of the first that has a fixed one; None where there is no choice.

    Raises:
        ModelError, ExportError: see size_of().
    """
    fixed = [model for model in models if model.suffix.lower() != ".pt"]
    if len(models) < 2 or len(fixed) == len(models):
        return None
    return size_of((fixed or list(models))[0], names=names, anchors=anchors)
