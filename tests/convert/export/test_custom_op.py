"""--custom-softmax through the vendor's real toolkit: the same outputs as without it, in float and in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DATASET, DEMO, needs_ort, needs_toolkit, needs_torch
from tests.fakes.backends_of import floating, simulated
from yolorknn.image import letterbox, read_image

pytestmark = [needs_torch, needs_ort, needs_toolkit, pytest.mark.toolkit]

SIZE = (160, 160)
IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:4]


def pictures() -> NDArray[np.uint8]:
    return np.stack([letterbox(read_image(path), SIZE)[0] for path in IMAGES])


@pytest.fixture(scope="module")
def eleven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO11 of seeded weights, its batch norms fitted to our images: otherwise no signal reaches the outputs."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO("yolo11n.yaml")
    for name, weights in model.model.named_parameters():
        if ".attn." in name and name.endswith("bn.weight"):
            weights.data *= 4  # at 1, attention is nearly uniform and any Softmax would do
    norms = [module for module in model.model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches: there is one
    model.model.train()
    with torch.no_grad():
        model.model(torch.tensor(pictures().transpose(0, 3, 1, 2) / 255, dtype=torch.float32))
    for norm in norms:
        norm.running_var *= 2  # at 1, rounding grows from layer to layer
    path = tmp_path_factory.mktemp("eleven") / "eleven.pt"
    model.model.eval()
    model.save(path)
    return path


def outputs(backend: Any) -> list[NDArray[np.float32]]:
    """Stack what the backend gives for each of two pictures."""
    try:
        return [np.stack(parts) for parts in zip(*map(backend.infer, pictures()[:2]), strict=True)]
    finally:
        backend.close()


def cosine(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Between what differs from the mean: a constant output agrees with nothing."""
    one, other = one.ravel() - one.mean(), other.ravel() - other.mean()
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "dtype"),
    [("DFL", "fp16"), ("attention", "fp16"), pytest.param("attention", "i8", marks=pytest.mark.exhaustive)],
)
def test_the_custom_op_changes_nothing(tmp_path: Path, model: str, dtype: str, request: pytest.FixtureRequest) -> None:
    """The DFL of the decoded head, and the attention of YOLO11 (scores of random weights are all 0: boxes alone).

    The DFL in int8 is in tests/convert/test_build.py.
    """
    from yolorknn.convert.export.export import export
    from yolorknn.model import onnx_file

    (tmp_path / "listed.txt").write_text("".join(f"{path}\n" for path in IMAGES))
    dataset = tmp_path / "listed.txt" if dtype == "i8" else None
    checkpoint = DEMO if model == "DFL" else request.getfixturevalue("eleven")
    found = {}
    for name in ("plain", "custom"):
        (tmp_path / name).mkdir()
        made = export(
            checkpoint, imgsz=SIZE, head="decoded" if model == "DFL" else "split", custom_softmax=name == "custom",
            output=tmp_path / name,
        )  # fmt: skip
        assert {"Softmax", "cstSoftmax"} & onnx_file.read(made).ops == {"cstSoftmax" if name == "custom" else "Softmax"}
        found[name] = outputs(simulated(made, dataset))
        if name == "plain":
            found["float"] = outputs(floating(made))
    least = 0.9999 if dtype == "fp16" else 0.998
    for custom, plain, unquantized in zip(found["custom"], found["plain"], found["float"], strict=True):
        if model == "attention" and custom.shape[2] != 64:
            continue
        assert cosine(custom, plain) >= least
        assert cosine(custom, unquantized) >= least
