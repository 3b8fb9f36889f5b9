""".onnx quantized, on a PC: the vendor's simulator (rknn-toolkit2), in a child process.

rknn-toolkit2 does not simulate a finished .rknn, so the model is built again, from the ONNX, with the .rknn's recipe.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.prepared import Prepared
from yolorknn.convert.recipe.recorded import recipe_of
from yolorknn.convert.served import ServedSession
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import Dtype
from yolorknn.progress import Progress
from yolorknn.runtime.session import Arrays


class SimulatorSession:
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
        """Of the .rknn that was built."""
        self._served = served(self._toolkit, recipe)
        self.inputs, self.outputs = self._served.inputs, self._served.outputs

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Simulate one image; see Session.run."""
        return self._served.run(arrays)

    def close(self) -> None:
        """End the child process and remove its log."""
        self._toolkit.close()
        with contextlib.suppress(FileNotFoundError):
            self._log.unlink()


def served(toolkit: Toolkit, recipe: Prepared) -> ServedSession:
    """Return the session over a child process that simulates what was prepared."""
    return ServedSession(toolkit, imgsz=recipe.metadata.imgsz, outputs=recipe.outputs, where="the simulator")
