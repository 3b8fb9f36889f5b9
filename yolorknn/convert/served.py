"""A session over a child process of the vendor's toolkit that infers: on a simulator, or on a board over adb."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.toolkit.toolkit import Rknn
from yolorknn.model.interface import Interface
from yolorknn.runtime.session import Arrays, image_input, named


class ServedSession:
    """See Session. The child process belongs to the caller.

    Args:
        rknn: after init_runtime.
        interface: of the model.
        where: what runs there, for messages.
        told: see Rknn.infer().
    """

    def __init__(self, rknn: Rknn, interface: Interface, *, where: str, **told: Any) -> None:
        self._rknn, self._where, self._told, self.interface = rknn, where, told, interface
        self.inputs = [image_input(tensor) for tensor in interface.inputs]
        self.outputs = [tensor._replace(dtype="float32") for tensor in interface.outputs]

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Infer; see Session.run."""
        outputs = self._rknn.infer(*(arrays[tensor.name] for tensor in self.inputs), **self._told)
        return named(outputs, self.outputs, where=self._where)

    def close(self) -> None:
        """Leave the child process to its owner."""
