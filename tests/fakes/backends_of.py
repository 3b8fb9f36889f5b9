"""The runtimes as backends, without a detector around them; each closes what it opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import Place, open_model
from yolorknn.runtime.backend import Backend, SessionBackend
from yolorknn.runtime.cores import Runtime, chosen
from yolorknn.runtime.rknnlite import open_lite
from yolorknn.runtime.rknnrt import Weights
from yolorknn.tasks.known import metadata_of


def floating(onnx: Path) -> Backend:
    """onnxruntime."""
    return open_model(onnx)[1][0]


def simulated(model: Path, dataset: Path | None = None) -> Backend:
    """The vendor's simulator."""
    return open_model(model, Place(simulate=True, dataset=dataset))[1][0]


def attached(model: Path, device_id: str | None = None) -> tuple[ModelMetadata, Backend]:
    """A board over adb."""
    metadata, (backend,) = open_model(model, Place(device=True, device_id=device_id))
    return metadata, backend


def on_core_0(model: Path, *, runtime: Runtime = "auto", described_by: Path | None = None) -> SessionBackend:
    """A context, nothing between; `described_by` another file's outside, where the model's own is broken."""
    described = rknn_file.read(described_by or model)
    file: Any = replace(described, path=model)
    session = open_lite(file, core=0) if chosen(runtime) == "lite" else Weights(file).open(0)
    return SessionBackend(session, metadata_of(described))
