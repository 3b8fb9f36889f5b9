"""What a comparison refers to: torch for a TorchScript, in the toolkit's Python; and in words why there is nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.other_formats import darknet_net
from tests.fakes.tiny_onnx import swish_net, two_inputs
from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import Outcome, build_as
from yolorknn.convert.floating import Floating, open_floating
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.torch_session import TorchSession
from yolorknn.errors import BuildError, InferenceError, ModelError
from yolorknn.measure.compare import compare
from yolorknn.model.interface import Interface
from yolorknn.model.metadata import Tensor

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch, which traces
RNG = np.random.default_rng(0)


def traced(network: Any, path: Path, *examples: Any) -> Any:
    """Write a TorchScript, and return the network."""
    import torch

    torch.jit.trace(network.eval(), examples, check_trace=False).save(str(path))
    return network


def of(inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, tuple[int, ...]]) -> Interface:
    """Return an interface of names, shapes and types."""
    taken = (Tensor(name, array.shape, str(array.dtype), "") for name, array in inputs.items())
    return Interface(tuple(taken), tuple(Tensor(name, shape, "float32", "") for name, shape in outputs.items()))


def mixing() -> Any:
    """Two inputs of one shape and a row of ids, and three outputs, nested: none can be taken for another."""
    import torch
    from torch import nn

    class Mixing(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.words = nn.Linear(6, 4), nn.Embedding(9, 6)

        def forward(self, x: Any, y: Any, ids: Any) -> Any:
            first = self.one(x - 2 * y)
            return first, (self.one(self.words(ids).mean(1)), torch.softmax(first, 1).half())

    torch.manual_seed(0)
    return Mixing()


@needs_torch
def test_torch_itself_says_what_a_torchscript_gives(tmp_path: Path) -> None:
    """By name, in forward()'s order; doubles are taken in float, and what torch or the build says is told in words."""
    import torch

    x, y = (RNG.normal(size=(1, 6)).astype(np.float32) for _ in range(2))
    arrays: dict[str, NDArray[Any]] = {"b": x, "a": y, "c": RNG.integers(0, 9, (1, 5))}
    given = [torch.from_numpy(array) for array in arrays.values()]
    path = tmp_path / "né mixing.pt"
    network = traced(mixing(), path, *given)
    interface = of(arrays, {"z": (1, 4), "8": (1, 4), "k": (4, 1)})
    with closing(TorchSession(path, interface, python=None)) as session:
        found = Floating(session, interface, "").run(arrays)
        expected, (second, third) = network(*given)
        told = {"z": expected, "8": second, "k": third.float().reshape(4, 1)}
        assert list(found) == ["z", "8", "k"]
        for name, array in found.items():
            assert np.allclose(array, told[name].detach().numpy(), atol=1e-6), name
        with pytest.raises(InferenceError, match=r"torch failed in running .*: index out of range in self \(log: "):
            session.run({**arrays, "c": np.full((1, 5), 9)})
    other = of(arrays, {"z": (1, 4)})
    apart = pytest.raises(InferenceError, match=r"torch gives .*\(1, 4\), \(1, 4\)\] for .*built of it \[\(1, 4\)\]")
    with closing(TorchSession(path, other, python=None)) as session, apart:
        session.run(arrays)
    linear = traced(torch.nn.Linear(6, 4).double(), tmp_path / "double.pt", torch.rand(1, 6).double())
    with closing(TorchSession(tmp_path / "double.pt", of({"x": x}, {"y": (1, 4)}), python=None)) as session:
        assert np.allclose(session.run({"x": x})["y"], linear(torch.from_numpy(x).double()).detach(), atol=1e-6)
    (tmp_path / "broken.pt").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BuildError, match=r"torch failed in loading .*broken\.pt: .* \(log: "):
        TorchSession(tmp_path / "broken.pt", interface, python=None)


def test_torch_is_that_of_the_toolkits_python(tmp_path: Path) -> None:
    """Which may be another one: here one without packages."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(BuildError, match=r"torch failed in loading .*m\.pt: No module named 'numpy' \(log: "):
        TorchSession(tmp_path / "m.pt", of({}, {}), python=bare)


@needs_ort
def test_why_there_is_no_float_model(tmp_path: Path) -> None:
    pytest.importorskip("onnx")

    def empty() -> Interface:
        return of({}, {})

    for suffix in (".tflite", ".pb", ".prototxt", ".cfg"):
        with ExitStack() as held:
            why = open_floating(BuildRequest(tmp_path / f"m{suffix}", generic=True), empty, held)
        assert why == f"nothing here runs a {suffix} in float"
    cut = BuildRequest(two_inputs(tmp_path / "two.onnx"), options=BuildOptions(load={"outputs": ["y"]}))
    own = BuildRequest(swish_net(tmp_path / "own.onnx", custom=True))
    with ExitStack() as held:
        assert "load.outputs makes another model of" in str(open_floating(cut, empty, held))
        sized = {"inputs": ["a/b", "image"], "input_size_list": [[1, 5], [1, 3, 4, 6]]}
        whole = open_floating(replace(cut, options=BuildOptions(load=sized)), empty, held)
        assert isinstance(whole, Floating), "its inputs are all of the model's"
        assert [tensor.shape for tensor in whole.interface.inputs] == [(1, 5), (1, 3, 4, 6)], "in the order of rows"
        why = f"{own.model} has the custom op cstSwish, which onnxruntime does not know"
        assert open_floating(own, empty, held) == why


def blunt() -> Any:
    """A network whose second convolution int8 makes nothing of, as tiny_onnx.blunt_net()."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)]
    with torch.no_grad():
        layers[0].weight[0], layers[0].bias[0] = 0, 0
        layers[1].weight[:, 0] = 1000
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.Tanh())))


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_a_torchscript_is_compared_with_torch_and_its_broken_layer_named(tmp_path: Path) -> None:
    """Its mean and std are the .rknn's, which torch is not given: it is given what the chip makes of pixels."""
    import torch

    traced(blunt(), tmp_path / "blunt.pt", torch.zeros(1, 3, 16, 16))
    np.save(tmp_path / "x.npy", RNG.integers(0, 256, (1, 3, 16, 16)).astype(np.float32))
    (tmp_path / "list.txt").write_text("x.npy\n")
    options = BuildOptions(
        config={"mean_values": [[120, 110, 100]], "std_values": [[60, 50, 40]]},
        load={"input_size_list": [[1, 3, 16, 16]]},
    )
    request = BuildRequest(tmp_path / "blunt.pt", dataset=tmp_path / "list.txt", options=options, generic=True)
    made = build_as(request, Outcome.of(request, tmp_path))
    report = compare(made)
    assert report.reference == f"{tmp_path / 'blunt.pt'} on torch"
    cosines = {row.place: row.cosine or 0.0 for row in report.rows}
    assert cosines["fp16, simulator"] > 0.9999 and cosines["int8, simulator"] < 0.9
    (parting,) = report.partings
    assert parting.place == "int8, simulator" and parting.op == "Conv" and (parting.alone or 0.0) < 0.9
    tensors = [error.tensor for error in analyze(BuildRequest(made)).errors if error.op == "Conv"]
    assert tensors.index(parting.tensor) == 1, "the second of three"


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_int8_is_compared_with_fp16_where_nothing_runs_the_float_model(tmp_path: Path) -> None:
    darknet_net(tmp_path / "net.cfg")
    with pytest.raises(ModelError, match=r"nothing here runs a \.cfg in float, and it runs in one place only; build"):
        compare(tmp_path / "net.cfg")
    np.save(tmp_path / "x.npy", RNG.random((1, 3, 32, 32)).astype(np.float32))
    (tmp_path / "list.txt").write_text("x.npy\n")
    report = compare(tmp_path / "net.cfg", dataset=tmp_path / "list.txt")
    assert report.reference == "fp16, simulator (nothing here runs a .cfg in float)"
    assert [row.place for row in report.rows] == ["int8, simulator"] and (report.rows[0].cosine or 0.0) > 0.99
