"""Models and cameras, opened as their tables say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from yolorknn.doctor.examine import diagnosed
from yolorknn.errors import ModelError
from yolorknn.files import sha256
from yolorknn.live.camera import Camera
from yolorknn.model.anchor_sizes import given_anchors
from yolorknn.model.class_names import read_names
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.site.tables import CameraTable, ModelTable
from yolorknn.stream.tiled import Tiling
from yolorknn.tasks.task import Thresholds
from yolorknn.text import reason_of

Open: TypeAlias = Callable[[ModelTable], LoadedModel[Any]]


def open_table(table: ModelTable) -> LoadedModel[Any]:
    """Open a model as a site says.

    Raises:
        YolorknnError: see LoadedModel.
    """
    with diagnosed(table.file):
        return LoadedModel(
            table.file,
            thresholds=thresholds_of(table),
            classes=table.classes,
            names=read_names(table.names),
            anchors=given_anchors(table.anchors),
            runtime=table.runtime,
            contexts=table.contexts,
            tiling=Tiling((table.tile, table.tile), table.overlap) if table.tile else None,
        )


def thresholds_of(table: ModelTable) -> Thresholds:
    """Return what is kept of all that a model finds."""
    return Thresholds(table.conf, table.iou, table.max_det, agnostic_nms=table.agnostic_nms)


def camera_of(name: str, table: CameraTable) -> Camera:
    """Return a camera as it is watched."""
    return Camera(name, table.source, table.weight, table.fps, table.size, table.silence, table.held)


_LIVE = {"conf", "iou", "classes", "max_det", "agnostic_nms"}
"""What is kept of all that a model finds: it may change at any frame."""


def as_run(table: ModelTable, *, file: bool = True) -> ModelTable:
    """Return a table without what may change at any frame, or without the file too."""
    usual: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(table) if field.name in _LIVE}
    return dataclasses.replace(table, **usual) if file else dataclasses.replace(table, **usual, file=Path())


def digest_of(table: ModelTable) -> str:
    """Return the sha256 of a model's file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return sha256(table.file)
    except OSError as exc:
        raise ModelError(f"cannot read {table.file}: {reason_of(exc)}") from exc
