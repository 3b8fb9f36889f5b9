"""A model that is no detector onto a board, and whether it gives there what it gives on the PC."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.floating import open_floating
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.listing import rows_of
from yolorknn.convert.recipe.normal import normal_of
from yolorknn.convert.recipe.recorded import read_recorded
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.input_files import made_up, read_archive, read_inputs, read_row
from yolorknn.deploy.install import OWN, Installed
from yolorknn.deploy.placed import error_of, place_model, yolorknn_there
from yolorknn.deploy.probe import Board, probe
from yolorknn.deploy.ssh import Remote
from yolorknn.deploy.supply import Supply
from yolorknn.doctor.machine import Finding
from yolorknn.errors import DeployError, ModelError, SourceError
from yolorknn.model import rknn_file
from yolorknn.model.interface import interface_of
from yolorknn.model.metadata import Build
from yolorknn.predict.open_model import Place
from yolorknn.predict.runner import Runner
from yolorknn.runtime.agreeing import LIMITS, Agreeing, agreeing, table_of
from yolorknn.runtime.laid import all_laid
from yolorknn.scratch import temporary_folder
from yolorknn.toolkits.installed import recorded

INPUTS, OUTPUTS = "samples/inputs.npz", "outputs.npz"
"""On the board, in its folder."""


@dataclass(frozen=True)
class Prepared:
    """What a model gives on the PC."""

    build: Build
    inputs: dict[str, NDArray[Any]]
    told: str
    """What the inputs are, in words."""
    outputs: dict[str, NDArray[Any]]
    reference: str
    """What the PC ran, in words."""


@dataclass(frozen=True)
class AnyDeployment:
    """A model on a board, and how far its outputs agree with the PC's."""

    board: Board
    installed: Installed
    findings: tuple[Finding, ...]
    """Of the board's doctor."""
    rows: tuple[Agreeing, ...]
    prepared: Prepared

    @property
    def told(self) -> str:
        """How far they agree, in a few words."""
        least = min((row.cosine or 0.0 for row in self.rows), default=0.0)
        return f"cosine {least:.4f} against {self.prepared.reference}"

    def table(self) -> str:
        """Return the comparison as text."""
        head = f"the board against {self.prepared.reference}, on {self.prepared.told}\n"
        return "\n".join([head, *table_of(self.rows)])

    def check(self) -> None:
        """Refuse a board that gives something else than the PC.

        Raises:
            DeployError: the cosine of an output is below the limit of the model's type.
        """
        limit = LIMITS[self.prepared.build.dtype]
        for row in self.rows:
            if row.cosine is None or row.cosine < limit:
                told = "infinite values" if row.cosine is None else f"a cosine of {row.cosine:.4f}"
                raise DeployError(
                    f"output {row.output} of the board has {told} against {self.prepared.reference}, less than "
                    f"{limit:g}: see with 'yolorknn compare' whether quantization or the board costs it"
                )


def prepare_any(model: Path, inputs: Sequence[str], *, simulate: bool, dataset: Path | None) -> Prepared:
    """Run the model on the PC: what it was built from, or the simulator.

    Args:
        model: a .rknn that was built as no detector, with its source beside it.
        inputs: files, see data.input_files; default is the first of the calibration set, or made-up numbers.
        simulate: on the vendor's simulator.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.

    Raises:
        ModelError: the .rknn or its source is absent, broken or changed, or nothing here runs the latter in float.
        InputError, SourceError: the inputs are not the model's, or cannot be read.
        CalibrationError, BuildError: see SimulatorSession.
    """
    interface = interface_of(rknn_file.read(model))
    own = interface.inputs
    source, build, _ = read_recorded(model)
    texts = ", ".join(inputs)
    if inputs:
        arrays = read_inputs(inputs, own)
    elif build.images and Path(build.dataset).exists():
        arrays, texts = read_row(rows_of(Path(build.dataset))[0], own), f"the first of {build.dataset}"
    else:
        rng = np.random.default_rng(0)
        arrays, texts = {tensor.name: made_up(tensor, rng) for tensor in own}, "random numbers"
    arrays = all_laid(arrays, own, {tensor.name: tensor for tensor in own})
    if simulate:
        with Runner(model, place=Place(simulate=True, dataset=dataset)) as runner:
            return Prepared(build, arrays, texts, runner.run(arrays), "the simulator")
    request = BuildRequest(source, toolkit=recorded(build.toolkit), options=BuildOptions.of(build), generic=True)
    with ExitStack() as held:
        floating = open_floating(request, lambda: interface, held)
        if isinstance(floating, str):
            raise ModelError(f"the board is compared with the float model, and {floating}: add --simulate")
        given = normal_of(build.options.get("config", {}), interface.inputs).normalised(arrays)
        return Prepared(build, arrays, texts, floating.run(given), source.name)


def deploy_any(
    remote: Remote,
    model: Path,
    prepared: Prepared,
    supply: Supply,
    *,
    folder: str = "yolorknn",
    python: str = "python3",
    tell: Callable[[str], None] = lambda _: None,
) -> AnyDeployment:
    """Copy a model to a board, install yolorknn there, run its doctor and the model, and compare with the PC.

    The model that runs there stays where it is; see take_over().

    Args:
        remote: an open connection.
        model: a .rknn that was built as no detector.
        prepared: what it gives on the PC.
        supply: of wheels.
        folder: on the board, below the home folder.
        python: the board's command for Python 3.10 or later.
        tell: is told what the doctor found wrong.

    Raises:
        ModelError: the .rknn is not for that board.
        DeployError: a step on the board failed.
    """
    board = probe(remote, python)
    packed = io.BytesIO()
    np.savez(packed, **prepared.inputs)
    samples = {INPUTS: packed.getvalue()}
    installed, findings = place_model(remote, board, model, samples, folder=folder, supply=supply, tell=tell)
    done = yolorknn_there(remote, installed, "run", installed.model, "--input", INPUTS, "--save", OUTPUTS, "--json")
    if done.status != 0:
        raise DeployError(f"run failed on {remote.host}: {error_of(done)}")
    found = _fetched(remote, installed, prepared)
    return AnyDeployment(board, installed, findings, tuple(agreeing("board", [prepared.outputs], [found])), prepared)


def _fetched(remote: Remote, installed: Installed, prepared: Prepared) -> dict[str, NDArray[Any]]:
    """Return the outputs that the board saved, in the PC's order."""
    code = f"import base64; print(base64.b64encode(open({OUTPUTS!r}, 'rb').read()).decode())"
    done = remote.run(OWN, "-c", code, folder=installed.folder, show=f"{OWN} -c ...  # read {OUTPUTS}")
    remote.check(done, f"reading {OUTPUTS}")
    with temporary_folder("deploy") as temporary:
        file = temporary / OUTPUTS
        try:
            file.write_bytes(base64.b64decode(done.stdout.splitlines()[-1], validate=True))
            arrays = read_archive(file)
        except (ValueError, IndexError, SourceError):
            raise remote.nonsense(done.stdout) from None
    shapes = {name: array.shape for name, array in prepared.outputs.items()}
    named = dict(zip(shapes, arrays.values(), strict=False))
    if len(arrays) != len(shapes) or any(named[name].shape != shape for name, shape in shapes.items()):
        told = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DeployError(f"{remote.host} gave {told[:200]}, which are not the outputs of {installed.model}")
    return named
