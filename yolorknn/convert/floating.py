"""The float model that others are compared with: onnxruntime runs an .onnx, torch a TorchScript, nothing the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from yolorknn.convert.recipe.generic import format_of, loaded_inputs
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.torch_session import TorchSession
from yolorknn.errors import ModelError
from yolorknn.model import onnx_file
from yolorknn.model.interface import Interface
from yolorknn.runtime.laid import run_as_own
from yolorknn.runtime.ort import OrtSession
from yolorknn.toolkits.installed import choose

CHANGING = frozenset({"inputs", "outputs", "input_initial_val"})
"""Of [load]: what makes another model of an .onnx than the file, which onnxruntime runs; but for its own inputs."""


@dataclass(frozen=True)
class Floating:
    """A float model that is open."""

    session: OrtSession | TorchSession
    interface: Interface
    """The model's own, with the sizes that it is built for."""
    told: str
    """What runs where, in words."""

    def run(self, given: Mapping[str, object]) -> dict[str, NDArray[Any]]:
        """Run it on an array for each input; see run_as_own."""
        return run_as_own(self.session, self.interface, given)


def open_floating(request: BuildRequest, built: Callable[[], Interface], held: ExitStack) -> Floating | str:
    """Open the float model of a build.

    Args:
        request: what is built, no .rknn.
        built: gives the interface of what is built, which is asked where the model's own file does not say it.
        held: closes what is opened.

    Returns:
        The float model, or why there is none.

    Raises:
        BuildError: torch does not load it.
        MissingDependencyError: onnxruntime, or the toolkit, is not installed.
    """
    model, kind, load = request.model, format_of(request.model), request.options.load
    if kind == ".torchscript":
        torch = TorchSession(model, built(), python=choose(request.toolkit).python)
        return Floating(held.enter_context(closing(torch)), torch.interface, f"{model} on torch")
    if kind != ".onnx":
        return f"nothing here runs a {kind} in float"
    own = set(load.get("inputs", ())) == set(onnx_file.input_sides(model))
    if changing := load.keys() & CHANGING - ({"inputs"} if own else set()):
        return f"load.{min(changing)} makes another model of {model} than onnxruntime runs"
    try:
        session = held.enter_context(closing(OrtSession(model)))
    except ModelError as exc:  # it has ops of the user's own, or is too new; what to do is another matter here
        return str(exc).partition(": ")[0]
    inputs = loaded_inputs(session.inputs, load)
    return Floating(session, Interface(inputs, tuple(session.outputs)), f"{model} on onnxruntime")
