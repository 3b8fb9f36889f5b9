"""export_module(): a module of torch as an ONNX that computes the same, checked by onnxruntime here again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_torch
from yolorknn import Runner, export_module
from yolorknn.errors import ExportError

torch: Any = pytest.importorskip("torch")
pytestmark = [needs_torch, needs_ort]


class Two(torch.nn.Module):  # type: ignore[misc]
    """Takes an image and ids, gives two tensors by name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.drop = torch.nn.Dropout(0.5)
        self.words = torch.nn.Embedding(10, 4)

    def forward(self, image: Any, ids: Any) -> dict[str, Any]:
        features = self.drop(self.norm(self.conv(image))).mean((2, 3))
        return {"sum": features + self.words(ids).mean(1), "features": features}


def test_names_and_values_are_the_modules_own_and_the_module_stays_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Two().double()
    image, ids = torch.rand(1, 3, 8, 6, dtype=torch.float64), torch.tensor([[1, 2, 9]])
    before = {name: value.clone() for name, value in module.state_dict().items()}
    made = export_module(module, {"ids": ids, "image": image}, tmp_path / "two.onnx")
    assert module.training and all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert module.conv.weight.dtype == torch.float64
    with torch.no_grad():
        expected = module.eval()(image, ids)
    with Runner(made) as runner:
        assert [tensor.name for tensor in runner.inputs] == ["image", "ids"]
        found = runner.run(image=image.numpy(), ids=ids.numpy())
    assert list(found) == ["sum", "features"]
    for name, values in found.items():
        assert np.abs(values - expected[name].numpy()).max() < 1e-5


@pytest.mark.parametrize("given", [torch.rand(1, 4), (torch.rand(1, 4),), [torch.rand(1, 4)]])
def test_an_example_is_a_tensor_or_several(given: Any, tmp_path: Path) -> None:
    made = export_module(torch.nn.Linear(4, 2), given, tmp_path / "m.onnx", input_names=["x"], output_names=["y"])
    with Runner(made) as runner:
        assert (runner.inputs[0].name, runner.outputs[0].name) == ("x", "y")


@pytest.mark.filterwarnings("ignore")  # of torch, which traces
@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "LSTM"])
def test_modules_of_torchs_own(name: str, tmp_path: Path) -> None:
    """One that torch computes by an operator of its own where it may, and one that gives a tuple in a tuple."""
    torch.manual_seed(0)
    arguments = {"TransformerEncoderLayer": (16, 2, 24), "LSTM": (16, 8)}[name]
    module, example = getattr(torch.nn, name)(*arguments, batch_first=True), torch.rand(1, 5, 16)
    before = torch.backends.mha.get_fastpath_enabled()
    with Runner(export_module(module, example, tmp_path / "m.onnx")) as runner:
        found = list(runner.run(example.numpy()).values())
    assert torch.backends.mha.get_fastpath_enabled() == before
    with torch.no_grad():
        given = module.eval()(example)
    expected = [given] if name != "LSTM" else [given[0], *given[1]]
    assert len(found) == len(expected)
    assert all(np.abs(one - other.numpy()).max() < 1e-5 for one, other in zip(found, expected, strict=True))


class Giving(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, give: Any) -> None:
        super().__init__()
        self.give = give

    def forward(self, x: Any) -> Any:
        return self.give(x)


def by_chance(x: Any) -> Any:
    return x + torch.rand(1).item()


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (lambda x: "text", "gives output as str"),
        (lambda x: (x, None), "gives output1 as NoneType"),
        (lambda x: (), "gives nothing"),
        (lambda x: x @ torch.rand(3, 3), "does not run on the example"),
        (by_chance, "disagrees with torch"),
        (lambda x: torch.ones(2), "does not use its input x"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_exported_is_said_in_a_sentence(give: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=said):
        export_module(Giving(give), torch.rand(1, 4), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_no_module_and_no_example_is_refused(tmp_path: Path) -> None:
    module = torch.nn.Linear(4, 2)
    for arguments, said in (
        (({}, torch.rand(1, 4), "m.onnx"), "no torch.nn.Module"),
        ((module, torch.rand(1, 4), "m.pt"), r"suffix '\.pt'"),
        ((module, (), "m.onnx"), "the example is empty"),
        ((module, np.zeros((1, 4)), "m.onnx"), "is ndarray, not a tensor"),
        ((module, {"y": torch.rand(1, 4)}, "m.onnx"), "has no parameter y: it has input"),
    ):
        with pytest.raises(ExportError, match=said):
            export_module(arguments[0], arguments[1], tmp_path / arguments[2])
    for names in ([], ["a", "b"], [""]):
        with pytest.raises(ExportError, match="are not 1 different names"):
            export_module(module, torch.rand(1, 4), tmp_path / "m.onnx", input_names=names)
    with pytest.raises(ExportError, match="give all before ids too"):
        export_module(Two(), {"ids": torch.tensor([[1]])}, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
