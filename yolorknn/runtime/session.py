"""Session: a loaded model as arrays by name. What its inputs are made of, and what its outputs mean, is said above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import BackendError, InferenceError
from yolorknn.model.metadata import Tensor
from yolorknn.model.seen import Seen

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


class Session(Protocol):
    """A loaded model that one thread at a time may run."""

    @property
    def inputs(self) -> Sequence[Tensor]:
        """What run() takes: names, shapes, numpy's dtypes, and of images the layout."""

    @property
    def outputs(self) -> Sequence[Tensor]:
        """What run() gives, in the file's order; with scale and zero point where it gives quantized numbers."""

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model on one array for each input, and return one for each output, by name.

        The arrays are not written to, and may be used again after the call.

        Raises:
            InferenceError: the runtime failed, or gave something else than the model promises.
        """

    def close(self) -> None:
        """Free what the session holds; a second call does nothing."""


@runtime_checkable
class GivesUp(Protocol):
    """What a session has that can end an inference that takes too long by itself, with a CoreHungError."""

    timeout: float
    """After so many seconds; 0 for never."""


@runtime_checkable
class Numbers(Protocol):
    """What a session has that may see by itself that it was given the outputs of another run; it fails then."""

    @property
    def numbered(self) -> bool:
        """Whether it saw that it can."""


def image_input(tensor: Tensor) -> Tensor:
    """Return an input as the NPU's runtimes take it: of four dimensions, uint8 NHWC; a .rknn states NCHW."""
    if len(tensor.shape) != 4:
        return tensor
    batch, channels, height, width = tensor.shape
    return tensor._replace(shape=(batch, height, width, channels), dtype="uint8", layout="NHWC")


def unchanged(seen: Seen | None, open_session: Callable[[], Session]) -> Callable[[], Session]:
    """Return what opens a session of a file, as long as that is as it was seen.

    What was read of it, as names and scales, would be said of another's outputs. What is returned raises BackendError.
    """

    def check() -> None:
        if seen is not None and not seen.is_there:
            raise BackendError(f"{seen.path} was replaced or removed since the model was opened: open it again")

    def opened() -> Session:
        check()
        session = open_session()
        try:
            check()  # it may have been while the runtime read it: 100 MB from an SD card take seconds
        except BackendError:
            session.close()
            raise
        return session

    return opened


def on_core(path: Path, core: int | None) -> str:
    """Return the words for a model on a core."""
    return f"{path} on NPU core {core}" if core is not None else f"{path} on the NPU"


def named(outputs: object, promised: Sequence[Tensor], *, where: str) -> dict[str, NDArray[Any]]:
    """Return a runtime's list of arrays by name.

    Raises:
        InferenceError: their number or shapes are not what the model promises.
    """
    expected = [tensor.shape for tensor in promised]
    got = [getattr(array, "shape", None) for array in outputs] if isinstance(outputs, (list, tuple)) else None
    if got is None or len(got) != len(expected) or not all(map(_fits, got, expected)):
        raise InferenceError(f"{where} returned arrays of shape {got}, the model promises {expected}")
    assert isinstance(outputs, (list, tuple))
    return {
        tensor.name: np.asarray(array).reshape(array.shape if 0 in tensor.shape else tensor.shape)
        for tensor, array in zip(promised, outputs, strict=True)
    }


def _fits(got: tuple[int, ...] | None, promised: tuple[int, ...]) -> bool:
    """Compare a shape with the one that is promised, of which sides of 0 may be of any length."""
    given, expected = _plain(got), _plain(promised)
    return (
        given is not None
        and expected is not None
        and len(given) == len(expected)
        and all(side in (0, own) for side, own in zip(expected, given, strict=True))
    )


def _plain(shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return a shape without an axis of length 1 that toolkits add: a fourth to three, one to none."""
    if shape == (1,):
        return ()
    return shape[:3] if shape is not None and len(shape) == 4 and shape[3] == 1 and shape[2] > 1 else shape
