""".onnx in float on any machine: onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError, MissingDependencyError, ModelError
from yolorknn.model.layout import recognise, ultralytics_names
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Tensor
from yolorknn.runtime.backend import check_input, check_outputs


class OrtBackend:
    """The float reference: what the model computes before anyone quantizes it. Threads may share one."""

    def __init__(self, path: Path, *, names: list[str] | None = None) -> None:
        """Load the model.

        Args:
            path: an .onnx of fixed shape.
            names: class names, for a model without metadata.

        Raises:
            MissingDependencyError: onnxruntime is not installed.
            ModelError: onnxruntime cannot load it, or it is no detector.
        """
        try:
            import onnxruntime
        except ImportError as exc:
            raise MissingDependencyError("onnxruntime", "onnx", "running an .onnx") from exc
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as exc:  # onnxruntime's exceptions share no base of their own
            if "cstSoftmax" in str(exc):
                raise ModelError(
                    f"{path} has the custom op cstSoftmax, which onnxruntime does not know: "
                    "use --simulate, or export it without --custom-softmax"
                ) from exc
            raise ModelError(f"{path} is empty, truncated or not ONNX: copy or export it again") from exc
        self._path = path
        self._input = self._session.get_inputs()[0].name
        self.metadata = _metadata(self._session, path, names)
        self._mean = np.array(self.metadata.mean, np.float32)
        self._std = np.array(self.metadata.std, np.float32)

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the model; see Backend.infer."""
        check_input(image, self.metadata)
        pixels = image if self.metadata.colour == "RGB" else image[..., ::-1]
        scaled = (pixels.astype(np.float32) - self._mean) / self._std
        batch = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
        try:
            outputs = self._session.run(None, {self._input: batch})
        except Exception as exc:
            raise InferenceError(f"onnxruntime failed on {self._path}: {str(exc).strip()}") from exc
        return check_outputs(outputs, self.metadata, where=f"onnxruntime on {self._path}")

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def _metadata(session: Any, path: Path, names: list[str] | None) -> ModelMetadata:
    properties = session.get_modelmeta().custom_metadata_map
    inputs, outputs = (
        [Tensor(node.name, _fixed(node.shape, path), node.type) for node in nodes]
        for nodes in (session.get_inputs(), session.get_outputs())
    )
    if ONNX_KEY in properties:
        metadata = ModelMetadata.from_json(properties[ONNX_KEY])
        metadata.check(outputs, where=str(path))
        return metadata
    own = names if names is not None else ultralytics_names(properties)
    return recognise(inputs, outputs, names=own, where=str(path))


def _fixed(shape: list[Any], path: Path) -> tuple[int, ...]:
    if not all(isinstance(side, int) for side in shape):
        raise ModelError(f"{path} has a dynamic shape {shape}: export it at a fixed imgsz with 'yolorknn export'")
    return tuple(shape)
