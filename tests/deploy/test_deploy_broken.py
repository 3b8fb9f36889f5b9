"""A board that is right but in one thing: what it answers of masks, keypoints, corners or classes is compared too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATASET
from tests.fakes.broken import BROKEN, Saying, broken, facts, outputs_of
from tests.fakes.rknn_files import write_rknn
from yolorknn.deploy import deploy
from yolorknn.deploy.deploy import Deployment, Expected, try_model
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.supply import Supply
from yolorknn.errors import DeployError
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.tasks.known import TASKS
from yolorknn.tasks.task import Thresholds, Wording

BOARD = Board("/usr/bin/python3", python=(3, 11), glibc=36, home="/home/rock", user="rock", root=False, groups=())
IMAGES = tuple(sorted((DATASET / "images").glob("*.jpg"))[:2])


def found(model: Path, outputs: dict[str, Any]) -> list[Any]:
    with LoadedModel[Any](model, thresholds=Thresholds(), backends=[Saying(outputs)]) as loaded:
        return [loaded.run(path) for path in IMAGES]


def deployed(task: str, outputs: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Deploy to a board whose `detect` answers what a model with these outputs finds."""
    model = write_rknn(folder / "m.rknn", facts(task))
    wording, known = Wording.of(facts(task)), TASKS[task]
    lines = [json.dumps({known.key: known.record(each, wording)}) for each in found(model, outputs)]
    monkeypatch.setattr(deploy, "probe", lambda *_: BOARD)
    monkeypatch.setattr(deploy, "place_model", lambda *_, **__: (Installed("/home/rock/yolorknn", "m.rknn"), ()))
    monkeypatch.setattr(deploy, "yolorknn_there", lambda *_: Done(0, "\n".join(lines), ""))
    expected = Expected(IMAGES, tuple(found(model, outputs_of(task))), "m.onnx")
    return try_model(Remote("board"), model, expected, Supply())


@pytest.mark.parametrize("task", TASKS)
def test_a_good_board(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = deployed(task, outputs_of(task), tmp_path, monkeypatch)
    done.check()
    assert done.told.startswith("100% of what m.onnx finds") and "0%" not in done.told.replace("100%", "")


@pytest.mark.parametrize("what", BROKEN)
def test_one_thing_is_wrong(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = deployed(BROKEN[what][0], broken(what), tmp_path, monkeypatch)
    with pytest.raises(DeployError, match=rf"^the board's {what} are not those of m\.onnx: ") as caught:
        done.check()
    told = str(caught.value)
    count = 2 * (1 if what == "probabilities" else 3)
    assert f": those of {count} of {count} " in told and f" in {IMAGES[0].name}: " in told and "--simulate" in told
    assert "\n" not in told and f"{what} alike in 0%" in done.told
