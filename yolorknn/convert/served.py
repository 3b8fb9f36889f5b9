"""A session over a child process of rknn-toolkit2 that infers: on the simulator, or on a board attached over adb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.toolkit.toolkit import Rknn
from yolorknn.model.metadata import Tensor
from yolorknn.runtime.session import Arrays, named


class ServedSession:
    """See Session. The child process belongs to the caller.

    Args:
        rknn: after init_runtime.
        shape: height, width and channels of the model's one input.
        outputs: as the model's file states them.
        where: what runs there, for messages.
    """

    def __init__(self, rknn: Rknn, *, shape: tuple[int, int, int], outputs: Sequence[Tensor], where: str) -> None:
        self._rknn, self._where = rknn, where
        self.inputs = [Tensor("images", (1, *shape), "uint8", "NHWC")]
        self.outputs = [tensor._replace(dtype="float32") for tensor in outputs]

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Infer one image; see Session.run."""
        (image,) = (arrays[tensor.name] for tensor in self.inputs)
        return named(self._rknn.infer(image[0]), self.outputs, where=self._where)

    def close(self) -> None:
        """Leave the child process to its owner."""
