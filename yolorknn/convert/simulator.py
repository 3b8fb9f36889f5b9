""".onnx quantized, on a PC: the vendor's simulator (rknn-toolkit2), in a child process.

rknn-toolkit2 does not simulate a finished .rknn, so the model is built again, from the ONNX, with the .rknn's recipe.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built, interface_of_built
from yolorknn.convert.served import ServedSession
from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.model.metadata import ModelMetadata
from yolorknn.progress import Progress
from yolorknn.runtime.session import Arrays


class SimulatorSession:
    """What the NPU will compute. Slow: a quarter of a second a frame at 640."""

    def __init__(self, request: BuildRequest, *, progress: Progress | None = None) -> None:
        """Build the model in memory.

        Args:
            request: what to build; for a .rknn, the build that it records is repeated.
            progress: told the stages of the build.

        Raises:
            ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
            CalibrationError: the calibration set is absent, or not the one that the .rknn was built with.
            BuildError: rknn-toolkit2 failed; the log is named.
        """
        with ExitStack() as held:
            log = held.enter_context(temporary_log("simulator"))
            with planned(repeated(request), progress=progress) as plan:
                toolkit = held.enter_context(Toolkit(log, python=plan.toolkit.python, progress=progress))
                rknn = built(toolkit, plan)
                self._served = served(rknn, plan)
                rknn.do("init_runtime")
                toolkit.check()
            self._held = held.pop_all()
        self.interface = self._served.interface
        self.metadata: ModelMetadata | None = plan.metadata
        """Of the .rknn that was built; None of a generic model."""
        self.inputs, self.outputs = self._served.inputs, self._served.outputs

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Simulate; see Session.run."""
        return self._served.run(arrays)

    def close(self) -> None:
        """End the child process, and remove its log unless an error named it; a second call does nothing."""
        self._held.close()


def served(rknn: Rknn, plan: BuildPlan) -> ServedSession:
    """Return the session over an RKNN that has built what was planned, to be used after init_runtime."""
    return ServedSession(rknn, interface_of_built(rknn, plan), where="the simulator")
