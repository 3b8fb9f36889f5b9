""".onnx quantized, on a PC: the vendor's simulator (rknn-toolkit2), in a child process.

rknn-toolkit2 does not simulate a finished .rknn, so the model is built again, from the ONNX, with the .rknn's recipe.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.recorded import recipe_of
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import Dtype
from yolorknn.progress import Progress
from yolorknn.runtime.backend import check_input, check_outputs


class SimulatorBackend:
    """What the NPU will compute. Slow: a quarter of a second a frame at 640."""

    def __init__(
        self,
        path: Path,
        *,
        platform: str = "rk3588",
        dtype: Dtype | None = None,
        dataset: Path | None = None,
        names: list[str] | None = None,
        options: BuildOptions | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Build the model in memory.

        Args:
            path: a .rknn, which stands for its recipe and must have its .onnx beside it; or an .onnx.
            platform: for an .onnx, the chip.
            dtype: for an .onnx, "i8" or "fp16"; default is "i8" with a dataset and "fp16" without.
            dataset: calibration set; default for a .rknn is the one it was built with.
            names: class names, for an .onnx without metadata.
            options: for an .onnx, the vendor's options.
            progress: told the stages of the build.

        Raises:
            ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
            CalibrationError: the calibration set is absent, or not the one that the .rknn was built with.
            BuildError: rknn-toolkit2 failed; the log is named.
        """
        descriptor, log = tempfile.mkstemp(prefix="yolorknn-simulator-", suffix=".log")
        os.close(descriptor)
        self._log = Path(log)
        try:
            with recipe_of(
                path,
                platform=platform,
                dtype=dtype,
                dataset=dataset,
                names=names,
                options=options,
                progress=progress,
            ) as recipe:
                self._toolkit = Toolkit(replace(recipe.job, serve=True), log=self._log, progress=progress)
        except BaseException as exc:
            if not isinstance(exc, BuildError):  # which names the log
                self._log.unlink()
            raise
        self.metadata: ModelMetadata = recipe.metadata

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Simulate one image; see Backend.infer."""
        return simulate(self._toolkit, image, self.metadata)

    def close(self) -> None:
        """End the child process and remove its log."""
        self._toolkit.close()
        with contextlib.suppress(FileNotFoundError):
            self._log.unlink()


def simulate(toolkit: Toolkit, image: NDArray[np.uint8], metadata: ModelMetadata) -> list[NDArray[np.float32]]:
    """Infer one image in a child process that serves; see Backend.infer."""
    check_input(image, metadata)
    pixels = image if metadata.colour == "RGB" else image[..., ::-1]
    return check_outputs(toolkit.infer(pixels), metadata, where="the simulator")
