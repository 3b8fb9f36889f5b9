"""Backends: one runtime per file, behind one protocol of two methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError, ModelError
from yolorknn.model.metadata import Build, ModelMetadata


@runtime_checkable
class Backend(Protocol):
    """A loaded model that one thread at a time may run."""

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the model on uint8 (H, W, 3), RGB, exactly imgsz; return its outputs as float32, NCHW, in file order.

        The image is a buffer that is used again after the call: copy it to keep it.

        Raises:
            InferenceError: the runtime returned nothing, or something else than the model promises.
        """

    def close(self) -> None:
        """Free what the backend holds; a second call does nothing."""


def open_backends(path: Path, *, names: list[str] | None = None) -> tuple[ModelMetadata, list[Backend]]:
    """Open a model on the runtime its suffix asks for: .onnx on onnxruntime, .rknn on every core of this board's NPU.

    Args:
        path: the model.
        names: class names, for a model without metadata.

    Raises:
        ModelError: absent, broken, of another kind, or for another platform.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """
    if not path.is_file():
        raise ModelError(f"there is no model file {path}" if not path.is_dir() else f"{path} is a folder, not a model")
    match path.suffix.lower():
        case ".onnx":
            from yolorknn.runtime import ort

            backend = ort.OrtBackend(path, names=names)
            return backend.metadata, [backend]
        case ".rknn":
            from yolorknn.runtime import rknnlite

            metadata, opened = rknnlite.open_cores(path, names=names)
            return metadata, list(opened)
        case ".pt":
            raise ModelError(f"{path} is a training checkpoint: make a model of it with 'yolorknn export {path}'")
        case suffix:
            raise ModelError(f"{path} has suffix '{suffix}': a model is an .onnx or an .rknn file")


def check_fit(build: Build | None) -> str | None:
    """Return why a detector, which gives one RGB image of imgsz at a time, cannot run a build; None if it can."""
    options: dict[str, Any] = dict(build.options) if build else {}
    if (batch := options.get("batch", 1)) > 1:
        return f"it takes batches of {batch} images: programs that call rknn_inputs_set run it"
    config = options.get("config", {})
    reasons = {
        "dynamic_input": "its input has several sizes: programs that call rknn_set_input_shapes run it",
        "remove_weight": "its weights are in another model: programs that call rknn_init with both run it",
    }
    return next((why for name, why in reasons.items() if config.get(name)), None)


def check_input(image: NDArray[np.uint8], metadata: ModelMetadata) -> None:
    """Refuse what the vendor's runtime would read past the end of, or misread.

    Raises:
        ValueError: not uint8 (H, W, 3) of exactly imgsz.
    """
    if image.dtype != np.uint8 or image.shape != (*metadata.imgsz, 3):
        raise ValueError(f"the model takes uint8 {(*metadata.imgsz, 3)}, got {image.dtype} {image.shape}")


def check_outputs(outputs: object, metadata: ModelMetadata, *, where: str) -> list[NDArray[np.float32]]:
    """Return the outputs if they are what the metadata promises.

    Raises:
        InferenceError: their number, type or shapes differ.
    """
    expected = list(metadata.shapes().values())
    if isinstance(outputs, list) and metadata.head == "decoded" and len(outputs) == 1:
        outputs = [outputs[0].reshape(outputs[0].shape[:3])]  # some toolkits add a fourth axis of length 1
        expected = [(*expected[0][:2], outputs[0].shape[-1])]
    got = [getattr(array, "shape", None) for array in outputs] if isinstance(outputs, (list, tuple)) else None
    if got != expected:
        raise InferenceError(f"{where} returned arrays of shape {got}, the model promises {expected}")
    return [np.asarray(array, np.float32) for array in outputs]  # type: ignore[attr-defined]
