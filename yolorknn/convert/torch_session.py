"""A TorchScript in float: torch, in a child process of the Python that has the vendor's toolkit, which needs it too."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.process import SCRIPT, Instance
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, InferenceError
from yolorknn.model.interface import Interface
from yolorknn.runtime.session import Arrays

TORCHSCRIPT = SCRIPT.with_name("torchscript.py")
"""What the child imports, and nothing here, as it imports torch."""


class TorchSession:
    """See Session: what the model computes before anyone quantizes it.

    Args:
        path: a TorchScript, whatever its name.
        interface: of what was built of it, as the file itself says no shapes: inputs and outputs in forward()'s order.
        python: the interpreter that has torch; None for ours.

    Raises:
        BuildError: torch does not load it; the log is named.
    """

    def __init__(self, path: Path, interface: Interface, *, python: Path | None) -> None:
        self._path, self.interface = path, interface
        self.inputs, self.outputs = interface.inputs, interface.outputs
        with ExitStack() as held:
            log = held.enter_context(temporary_log("torch"))
            self._torch = held.enter_context(Toolkit(log, python=python, name="torch"))
            self._torch.begin(f"loading {path}", quiet=True)
            self._model = self._torch.keep(Instance(TORCHSCRIPT, "TorchScript", {"file": str(path.resolve())}))
            self._held = held.pop_all()

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model; see Session.run."""
        self._torch.begin(f"running {self._path}", quiet=True)
        try:
            given = self._torch.ask("run", self._model, {"inputs": [arrays[tensor.name] for tensor in self.inputs]})
        except BuildError as exc:
            raise InferenceError(str(exc)) from exc
        shapes, promised = [array.shape for array in given], [tensor.shape for tensor in self.outputs]
        if list(map(math.prod, shapes)) != list(map(math.prod, promised)):
            raise InferenceError(
                f"torch gives arrays of shape {shapes} for {self._path}, and what was built of it {promised}"
            )
        return {tensor.name: array.reshape(tensor.shape) for tensor, array in zip(self.outputs, given, strict=True)}

    def close(self) -> None:
        """End the child process, and remove its log unless an error named it; a second call does nothing."""
        self._held.close()
