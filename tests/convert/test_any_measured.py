"""Models of any kind through the commands, without TOML, on the real toolkit: how far from onnxruntime they are.

    python -m pytest -s --all tests/convert/test_any_measured.py

prints a row for each: the cosine of fp16 and of int8 on inputs that were not calibrated with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.tiny_onnx import blunt_net

pytestmark = [needs_torch, needs_ort, needs_toolkit, pytest.mark.toolkit, pytest.mark.exhaustive]
pytestmark.append(pytest.mark.filterwarnings("ignore"))  # of torch, which traces
ROWS = 20


def one_layer() -> tuple[Any, ...]:
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10)), (1, 3, 32, 32)


def resnet18() -> tuple[Any, ...]:
    """As He and others describe it, of random weights."""
    import torch
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self, taken: int, given: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                *(nn.Conv2d(taken, given, 3, stride, 1, bias=False), nn.BatchNorm2d(given), nn.ReLU()),
                *(nn.Conv2d(given, given, 3, 1, 1, bias=False), nn.BatchNorm2d(given)),
            )
            same = stride == 1 and taken == given
            self.past = nn.Sequential(*(() if same else (nn.Conv2d(taken, given, 1, stride), nn.BatchNorm2d(given))))

        def forward(self, x: Any) -> Any:
            return torch.relu(self.body(x) + self.past(x))

    layers: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for taken, given, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        layers += [Block(taken, given, stride), Block(given, given, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)), (1, 3, 224, 224)


def two_inputs() -> tuple[Any, ...]:
    import torch
    from torch import nn

    class Two(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3 * 8 * 8 + 6, 12)

        def forward(self, image: Any, extra: Any) -> Any:
            return self.last(torch.cat([nn.functional.avg_pool2d(image, 4).flatten(1), extra], 1))

    return Two(), (1, 3, 32, 32), (1, 6)


def recurrent(kind: str) -> tuple[Any, ...]:
    from torch import nn

    class Last(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(nn, kind)(16, 32)

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return Last(), (10, 1, 16)


def transformer() -> tuple[Any, ...]:
    import torch
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.query = nn.Embedding(100, 32), nn.Linear(32, 96)
            self.one, self.two = nn.LayerNorm(32), nn.LayerNorm(32)
            self.mixed = nn.Linear(32, 32)
            self.behind = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

        def forward(self, ids: Any) -> Any:
            x = self.words(ids)
            query, key, value = self.query(self.one(x)).reshape(1, 12, 3, 4, 8).permute(2, 0, 3, 1, 4)
            weights = torch.softmax(query @ key.transpose(-1, -2) / 8**0.5, -1)
            x = x + self.mixed((weights @ value).transpose(1, 2).reshape(1, 12, 32))
            return x + self.behind(self.two(x))

    return Block(), (1, 12)


def conv3d() -> tuple[Any, ...]:
    from torch import nn

    return nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 1)), (1, 2, 6, 12, 12)


MODELS: dict[str, tuple[Callable[[], tuple[Any, ...]], bool]] = {
    "one layer": (one_layer, True),
    "ResNet18": (resnet18, True),
    "two inputs": (two_inputs, True),
    "LSTM": (lambda: recurrent("LSTM"), True),
    "GRU": (lambda: recurrent("GRU"), True),
    "transformer": (transformer, True),
    "Conv3d": (conv3d, False),
}
"""And whether the toolkit quantizes it."""


def yolorknn(*words: str | Path, folder: Path) -> str:
    command = [sys.executable, "-m", "yolorknn", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(network: Any, shapes: Sequence[tuple[int, ...]], folder: Path) -> list[str]:
    """Write the model, a calibration set and inputs that are not in it; return the inputs as `run` takes them."""
    import torch

    from yolorknn import export_module

    rng = np.random.default_rng(0)
    whole = len(shapes) == 1 and len(shapes[0]) == 2  # ids
    names = [f"in{number}" for number in range(len(shapes))]

    def drawn(shape: tuple[int, ...]) -> Any:
        return rng.integers(0, 100, shape) if whole else rng.normal(size=shape).astype(np.float32)

    examples = tuple(torch.from_numpy(drawn(shape)) for shape in shapes)
    export_module(network, examples, folder / "net.onnx", input_names=names)
    lines = []
    for row in range(ROWS + 1):
        for name, shape in zip(names, shapes, strict=True):
            np.save(folder / f"{name}-{row}.npy", drawn(shape))
        lines.append(" ".join(f"{name}-{row}.npy" for name in names))
    (folder / "list.txt").write_text("\n".join(lines[:ROWS]) + "\n")
    return [word for name in names for word in ("--input", f"{name}={name}-{ROWS}.npy")]


@pytest.mark.parametrize("name", MODELS)
def test_from_a_module_to_its_outputs(tmp_path: Path, name: str) -> None:
    import torch

    torch.manual_seed(0)
    make, quantized = MODELS[name]
    network, *shapes = make()
    inputs = written(network.eval(), shapes, tmp_path)
    options = ("--dataset", "list.txt") if quantized else ()
    made = yolorknn("build", "net.onnx", "--generic", *options, folder=tmp_path).splitlines()[0]
    rows = json.loads(yolorknn("compare", made, *inputs, "--json", folder=tmp_path))["rows"]
    found = {row["place"]: row["cosine"] for row in rows}
    table = yolorknn("analyze", made, *inputs, folder=tmp_path)
    print(f"\n{name:<12} {'  '.join(f'{place} {cosine:.6f}' for place, cosine in found.items())}")
    assert found["fp16, simulator"] >= 0.9999
    assert not quantized or found["int8, simulator"] >= 0.999
    assert "the slowest operators of" in table and "worst layers of" in table
    assert "net.onnx" in yolorknn("info", made, folder=tmp_path)


def test_a_torchscript_of_digits(tmp_path: Path) -> None:
    """Logistic regression on 28x28 digits, trained here, under the name .pt; the reference is torch."""
    import torch
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits = load_digits()
    pixels = torch.from_numpy(digits.images).float()[:, None] / 16
    rows = torch.nn.functional.interpolate(pixels, (28, 28), mode="bilinear").flatten(1)
    labels = torch.from_numpy(digits.target)
    network = torch.nn.Sequential(torch.nn.Linear(784, 10), torch.nn.Softmax(1))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.nll_loss(torch.log(network(rows[::2]) + 1e-9), labels[::2]).backward()
        optimizer.step()
    torch.jit.trace(network.eval(), rows[:1]).save(str(tmp_path / "digits.pt"))
    for number in range(ROWS):
        np.save(tmp_path / f"{number}.npy", rows[2 * number][None].numpy())
    (tmp_path / "list.txt").write_text("".join(f"{number}.npy\n" for number in range(ROWS)))
    np.save(tmp_path / "held.npy", rows[1][None].numpy())
    assert "784" in yolorknn("info", "digits.pt", folder=tmp_path) or "torchscript" in yolorknn(
        "info", "digits.pt", folder=tmp_path
    )
    with torch.no_grad():
        expected = network(rows[1:2]).numpy().ravel()
    for least, options in ((0.9999, ()), (0.999, ("--dataset", "list.txt"))):
        made = yolorknn("build", "digits.pt", "--generic", "--size", "1x784", *options, folder=tmp_path).splitlines()[0]
        yolorknn("run", made, "--input", "held.npy", "--simulate", "--save", "out.npz", folder=tmp_path)
        (found,) = np.load(tmp_path / "out.npz").values()
        cosine = float(found.ravel() @ expected / np.linalg.norm(found) / np.linalg.norm(expected))
        print(f"\ndigits.pt    {made} {cosine:.6f}, label {found.argmax()} of {int(labels[1])}")
        assert cosine >= least and found.argmax() == labels[1]


def test_compare_names_the_broken_layer(tmp_path: Path) -> None:
    blunt_net(tmp_path / "blunt.onnx")
    rng = np.random.default_rng(0)
    for number in range(ROWS):
        np.save(tmp_path / f"{number}.npy", rng.normal(size=(1, 3, 16, 16)).astype(np.float32))
    (tmp_path / "list.txt").write_text("".join(f"{number}.npy\n" for number in range(ROWS)))
    made = yolorknn("build", "blunt.onnx", "--generic", "--dataset", "list.txt", folder=tmp_path).splitlines()[0]
    said = yolorknn("compare", made, folder=tmp_path)
    print(f"\n{said}")
    assert "int8, simulator parts from the float model at [Conv] second_sum" in said
