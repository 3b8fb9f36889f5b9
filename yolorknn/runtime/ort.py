""".onnx in float on any machine: onnxruntime."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError, MissingDependencyError, ModelError
from yolorknn.model.interface import NUMPY, Interface
from yolorknn.model.metadata import Tensor
from yolorknn.model.onnx_file import DAMAGED, OnnxFacts
from yolorknn.runtime.session import Arrays, named
from yolorknn.text import is_text

MOST_SAID = 500
"""Characters of onnxruntime's words on a model that it does not load."""
DAMAGED_SAID = ("PROTOBUF", "does not have a graph", "No graph was found")
"""What is in its words where the file is no model; the last from 1.32 on."""


def imported() -> Any:
    """Import onnxruntime, and have it tell its maker nothing.

    Newer ones send there how they are used, keep an id for that in the user's folder, and complain where they cannot.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


class OrtSession:
    """The float reference: what the model computes before anyone quantizes it. Threads may share one."""

    def __init__(self, path: Path) -> None:
        """Load the model.

        Args:
            path: an .onnx.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            ModelError: onnxruntime cannot load it.
        """
        try:
            onnxruntime = imported()
        except ImportError as exc:
            raise MissingDependencyError("onnxruntime", "onnx", "running an .onnx") from exc
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            given = str(path) if is_text(str(path)) else path.read_bytes()  # which it takes, and no such name
            self._session: Any = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # onnxruntime's exceptions share no base of their own
            if op := re.search(r"\b(cst[A-Z0-9]\w*)", str(exc).replace(str(path), "")):
                raise ModelError(
                    f"{path} has the custom op {op[1]}, which onnxruntime does not know: "
                    + (
                        "use --simulate, or export it without --custom-softmax"
                        if op[1] == "cstSoftmax"
                        else f"build it with --custom-op FILE.py:{op[1]}, and run the .rknn with --simulate"
                    )
                ) from exc
            raise ModelError(_refused(path, str(exc), onnxruntime.__version__)) from exc
        self._path = path
        self.inputs = [_tensor(node) for node in self._session.get_inputs()]
        self.outputs = [_tensor(node) for node in self._session.get_outputs()]
        if not any(0 in tensor.shape for tensor in self.inputs) and any(0 in tensor.shape for tensor in self.outputs):
            self.outputs = self._as_given()

    def _as_given(self) -> list[Tensor]:
        """Return the outputs with the shapes that they have, where the file leaves them open."""
        blank = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in self.inputs}
        try:
            given = self._session.run(None, blank)
        except Exception:  # what is wrong with the model shows when it is used
            return list(self.outputs)
        return [tensor._replace(shape=array.shape) for tensor, array in zip(self.outputs, given, strict=True)]

    @property
    def interface(self) -> Interface:
        """What the model itself takes and gives, which is the same."""
        return Interface(tuple(self.inputs), tuple(self.outputs))

    def facts(self) -> OnnxFacts:
        """Return what the file says of itself, for which the onnx package is not needed here."""
        properties = dict(self._session.get_modelmeta().custom_metadata_map)
        return OnnxFacts(self._path, self.inputs, self.outputs, properties)

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Run the model; see Session.run."""
        try:
            outputs = self._session.run(None, dict(arrays))
        except Exception as exc:
            raise InferenceError(f"onnxruntime failed on {self._path}: {str(exc).strip()}") from exc
        return named(outputs, self.outputs, where=f"onnxruntime on {self._path}")

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def _refused(path: Path, said: str, version: str) -> str:
    """Return why onnxruntime does not load a file: it is none, or a newer one or with other ops than this one knows."""
    if any(words in said for words in DAMAGED_SAID):
        return f"{path} {DAMAGED}"
    reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", said).rpartition(f"{path} failed:")[2]
    reason = re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", reason)  # its own place in C++
    return f"onnxruntime {version} does not take {path}: {reason.splitlines()[0][:MOST_SAID]}"


def _tensor(node: Any) -> Tensor:
    shape = tuple(side if isinstance(side, int) else 0 for side in node.shape)
    if shape[:1] == (0,) and 0 not in shape[1:]:
        shape = (1, *shape[1:])  # a batch of any size, of which one is given
    kind = str(node.type).removeprefix("tensor(").removesuffix(")")
    return Tensor(node.name, shape, NUMPY.get(kind, kind), "NCHW" if len(shape) == 4 else "")
