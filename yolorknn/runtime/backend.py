"""Backend: a loaded model, behind a protocol of two methods that a user may plug in."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError
from yolorknn.model.metadata import ModelMetadata


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
