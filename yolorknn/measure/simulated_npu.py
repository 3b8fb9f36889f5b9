"""SimulatedNpu: an NPU core that takes so long, for a program and a pipeline to be tried without a board."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import read_metadata
from yolorknn.tasks.known import task_of


class SimulatedNpu:
    """A Backend that holds a core for a time without the GIL, then gives fresh outputs of a made-up scene.

    It finds the same in every image, whatever the image shows: some objects, of which tests know that they are found.

        with Detector("v8n.onnx", backends=[SimulatedNpu("v8n.onnx") for _ in range(3)]) as detector:
            assert len(detector.detect(frame)) > 0

    Args:
        model: an .onnx or .rknn, which is not run; or what it says of itself.
        milliseconds: how long an inference takes, above 0; 20 is about yolov8n at 640 on one core of an RK3588.

    Raises:
        ValueError: milliseconds is not above 0.
        ModelError: the model is absent or broken.
    """

    def __init__(self, model: str | Path | ModelMetadata, milliseconds: float = 20.0) -> None:
        if not milliseconds > 0:
            raise ValueError(f"an inference takes more than 0 ms, not {milliseconds}")
        metadata = model if isinstance(model, ModelMetadata) else read_metadata(Path(model))
        self._seconds = milliseconds / 1000
        self._late = 0.0
        self._outputs = task_of(metadata).scene(metadata)

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Take the time, outputs included; what sleep overshoots is taken off the next call. See Backend.infer."""
        end = time.perf_counter() + self._seconds - self._late
        outputs = [output.copy() for output in self._outputs]
        time.sleep(max(0.0, end - time.perf_counter()))
        self._late = min(time.perf_counter() - end, self._seconds)
        return outputs

    def close(self) -> None:
        """Nothing to free."""
