"""The demo models of every task: what they find on scenes that they have not seen, in float and in int8."""

from __future__ import annotations

from pathlib import Path

import pytest
import render_scenes
from render_scenes import TaskName

from tests.conftest import ROOT, needs_ort, needs_toolkit, needs_torch
from yolorknn import export
from yolorknn.measure.val import validate
from yolorknn.measure.val_classes import validate_classes
from yolorknn.predict.open_model import HERE, Place

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")
pytestmark = [needs_torch, needs_ort]

MODELS: dict[TaskName, tuple[str, float]] = {
    "segment": ("demo-seg", 0.55),
    "pose": ("demo-pose", 0.3),
    "obb": ("demo-obb", 0.55),
    "classify": ("demo-cls", 0.75),
}
"""By task: the file, and what it reaches at least: mAP50-95, top-1 of a classifier."""
SEEN, UNSEEN = 1, 3
"""The seeds of the scenes that they were trained on, and of those that models/README.md tells of."""


def measured(task: TaskName, model: Path, folder: Path, place: Place = HERE) -> float:
    """mAP50-95 or top-1."""
    if task == "classify":
        return validate_classes(model, folder, place=place).top1
    return validate(model, folder / "data.yaml", place=place).map


def scenes(task: TaskName, folder: Path, count: int, seed: int) -> Path:
    root = folder / "val" if task == "classify" else folder
    paths = list(render_scenes.write(root, count=count, seed=seed, task=task))
    (folder / "dataset.txt").write_text("".join(f"{path}\n" for path in paths))
    (folder / "data.yaml").write_text(render_scenes.describe(task, train="images", val="images"))
    return folder


@pytest.mark.parametrize("task", MODELS)
def test_floats(task: TaskName, tmp_path: Path) -> None:
    name, least = MODELS[task]
    checkpoint = ROOT / f"models/{name}.pt"
    assert checkpoint.stat().st_size < 3_000_000
    onnx = export(checkpoint, output=tmp_path)
    assert measured(task, onnx, scenes(task, tmp_path / "scenes", 24, UNSEEN)) > least


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.parametrize("task", MODELS)
def test_int8(task: TaskName, tmp_path: Path) -> None:
    """On few scenes, so that more may be lost than on the many of models/README.md."""
    onnx = export(ROOT / f"models/{MODELS[task][0]}.pt", output=tmp_path)
    unseen = scenes(task, tmp_path / "unseen", 40, UNSEEN)
    place = Place(simulate=True, dataset=scenes(task, tmp_path / "seen", 40, SEEN) / "dataset.txt")
    assert measured(task, onnx, unseen, place) > measured(task, onnx, unseen) - 0.02
