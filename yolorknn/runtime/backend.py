"""Backend: a model whose input is an image, behind a protocol of two methods that a user may plug in."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import as_seen
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.values import Values, floats, values_of
from yolorknn.runtime.rknnrt import Memory, RknnRtSession
from yolorknn.runtime.session import Session


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


class SessionBackend:
    """A session as a backend: lays an image into the model's one input, as its layout, colours and dtype have it.

    Args:
        session: of one input; closed with this.
        metadata: what the model says of itself.
    """

    def __init__(self, session: Session, metadata: ModelMetadata) -> None:
        self._session, self._metadata = session, metadata
        (self._input,) = session.inputs
        self._outputs = list(session.outputs)
        self._mean, self._std = (
            np.array(values[: metadata.channels], np.float32) for values in (metadata.mean, metadata.std)
        )

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the model; see Backend.infer.

        Raises:
            ValueError: the image is not uint8 (H, W, 3) of exactly imgsz, which a runtime would misread.
        """
        return [floats(values) for values in self.values(image)]

    def values(self, image: NDArray[np.uint8]) -> list[Values]:
        """Run the model as infer() does, and leave its outputs as the session has them: of a chip, in int8.

        Raises:
            InferenceError, ValueError: see infer().
        """
        expected = (*self._metadata.imgsz, 3)
        if image.dtype != np.uint8 or image.shape != expected:
            raise ValueError(f"the model takes uint8 {expected}, got {image.dtype} {image.shape}")
        outputs = self._session.run({self._input.name: self._laid(image)})
        return [values_of(outputs[tensor.name], tensor) for tensor in self._outputs]

    def _laid(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        pixels: NDArray[Any] = as_seen(image, self._metadata.colour)
        if self._input.dtype != "uint8":  # else the runtime does that
            pixels = ((pixels.astype(np.float32) - self._mean) / self._std).astype(self._input.dtype, copy=False)
        if self._input.layout == "NCHW":
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None])

    @property
    def core(self) -> int | None:
        """The NPU core that the session shares with others; None where it has one of its own."""
        core: int | None = getattr(self._session, "core", None)
        return core

    def memory(self) -> Memory | None:
        """Return what the context takes on the NPU; None where its runtime does not say. Only while it is idle."""
        current = getattr(self._session, "current", lambda: None)()
        memory: Memory | None = current.memory() if isinstance(current, RknnRtSession) else None
        return memory

    def hurry(self) -> None:
        """Have an inference that is under way end soon, where the session can give up on one."""
        if hurry := getattr(self._session, "hurry", None):
            hurry()

    def close(self) -> None:
        """Close the session."""
        self._session.close()
