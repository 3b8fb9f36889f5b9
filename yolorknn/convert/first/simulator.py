"""A model for the first generation of NPUs on a PC: the simulator of rknn-toolkit 1.7.3 and before, in a child process.

As of later chips, a finished .rknn is not simulated: the model is built again, by what the .json beside it records.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.first.build import NAME, first_built
from yolorknn.convert.first.plan import FirstRequest, first_planned
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.recorded import anchors_of, checked_source, dataset_of
from yolorknn.convert.served import ServedSession
from yolorknn.convert.toolkit.log import temporary_log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError
from yolorknn.model import onnx_file
from yolorknn.model.interface import interface_of
from yolorknn.model.metadata import ModelMetadata
from yolorknn.progress import Progress
from yolorknn.runtime.session import Arrays
from yolorknn.toolkits.first import choose_first


class FirstSimulatorSession:
    """See Session: what the NPU will compute.

    Args:
        path: the .rknn, whose .onnx must be beside it.
        metadata: of the .json beside it.
        dataset: the calibration set; default is the one that it was built with.
        progress: told the stages of the build.

    Raises:
        ModelError: the .onnx is not beside it, or has changed.
        CalibrationError: the calibration set is absent, or another one.
        BuildError: the toolkit failed, or has no simulator.
        MissingDependencyError: there is no such toolkit.
    """

    def __init__(
        self,
        path: Path,
        metadata: ModelMetadata,
        *,
        dataset: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        toolkit = choose_first()
        if not toolkit.works_on_pc:
            raise BuildError(f"rknn-toolkit {toolkit.version} has no simulator: 1.7.3 and before have (--toolkit1)")
        if not toolkit.has_numpy:
            raise BuildError(f"{toolkit.python} has no numpy, with which images go there: pip install numpy there")
        with ExitStack() as held:
            log = held.enter_context(temporary_log("simulator"))
            with first_planned(_repeated(path, metadata, dataset), toolkit, progress=progress) as plan:
                child = held.enter_context(Toolkit(log, python=toolkit.python, progress=progress, name=NAME))
                rknn = first_built(child, plan, toolkit)  # what is pre-compiled does not run here
                rknn.do("init_runtime")
                child.check()
                interface = interface_of(onnx_file.read(plan.model))
            self._held = held.pop_all()
        # data_type must be that of the array
        self._served = ServedSession(rknn, interface, where="the simulator", data_type="uint8", data_format="nhwc")
        self.metadata = plan.metadata
        self.inputs, self.outputs = self._served.inputs, self._served.outputs

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Simulate one image; see Session.run."""
        return self._served.run(arrays)

    def close(self) -> None:
        """End the child process, and remove its log unless an error named it; a second call does nothing."""
        self._held.close()


def _repeated(path: Path, metadata: ModelMetadata, dataset: Path | None) -> FirstRequest:
    build = metadata.build
    assert build is not None, "of a .rknn"
    return FirstRequest(
        checked_source(path, metadata),
        build.platform,
        build.dtype,
        dataset or dataset_of(build, path),
        metadata.names,
        anchors_of(metadata),
        BuildOptions.of(build),
        recorded=build,
    )
