"""Models of every task from a PC onto the emulated board: what it answers is what the simulator found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import render_scenes
from render_scenes import TaskName

from tests.conftest import ROOT, needs_torch
from tests.deploy.conftest import ON_THE_BOARD
from tests.fakes import sshd
from tests.fakes.emulated_board import BOARD, Recording
from yolorknn import Detections, build, export
from yolorknn.deploy.deploy import Expected, try_model
from yolorknn.deploy.ssh import Remote
from yolorknn.deploy.supply import Supply
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.tasks.agreement import agreement
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.task import Thresholds

pytestmark = [*ON_THE_BOARD, needs_torch]

MODELS: dict[TaskName, str] = {"segment": "demo-seg", "pose": "demo-pose", "obb": "demo-obb", "classify": "demo-cls"}
EXTRAS: dict[TaskName, str] = {"segment": "mask", "pose": "keypoints", "obb": "xyxyxyxy"}


def scenes(task: TaskName, folder: Path) -> Path:
    """Pictures as PNG: the decoders of two processors agree."""
    folder.mkdir()
    for number in range(5):
        cv2.imwrite(str(folder / f"{number}.png"), render_scenes.render(3, number, task)[0])
    return folder


def assert_same(found: Any, wanted: Any, extra: str | None) -> None:
    """But for what a JSON line rounds, and that it has the first five classes of a picture."""
    count = len(wanted.class_id) if extra else 5
    assert found.class_id.tolist() == wanted.class_id[:count].tolist()
    assert np.allclose(found.confidence, wanted.confidence[:count], atol=1e-4)
    if extra is not None and len(wanted):  # a line of no objects tells no size of their masks
        assert np.allclose(found.xyxy, wanted.xyxy, atol=0.01)
        one, other = getattr(found, extra), getattr(wanted, extra)
        assert one.shape == other.shape and np.allclose(one.astype(float), other.astype(float), atol=0.01)


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", MODELS)
def test_every_task(task: TaskName, server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = scenes(task, tmp_path / "frames")
    model = build(export(ROOT / f"models/{MODELS[task]}.pt", output=tmp_path), dataset=frames)
    recording = Recording(model, frames)
    with LoadedModel[Detections | Classification](model, thresholds=Thresholds(), backends=[recording]) as loaded:
        images = sorted(frames.iterdir())
        wanted = Expected(tuple(images), tuple(loaded.run(path) for path in images), "the simulator")
    assert sum(map(len, wanted.found)) >= 5
    (tmp_path / "replay.bin").write_bytes(b"YKRP" + b"".join(recording.records.values()))
    server.set(STANDIN_REPLAY=str(tmp_path / "replay.bin"))
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(BOARD / "wheels")}.items():
        monkeypatch.setenv(name, value)
    answers: list[Any] = []
    monkeypatch.setattr("yolorknn.deploy.deploy.agreement", _noting(answers, agreement))
    with Remote(server.host, port=server.port, options=server.options()) as remote, Supply(offline=True) as supply:
        try_model(remote, model, wanted, supply).check()
    for found, expected in zip(answers, wanted.found, strict=True):
        assert_same(found, expected, EXTRAS.get(task))


def _noting(answers: list[Any], compare: Callable[..., Any]) -> Callable[..., Any]:
    def compared(image: str, expected: Any, found: Any) -> Any:
        answers.append(found)
        return compare(image, expected, found)

    return compared
