"""What became of each board: kept, read again, and refused where it is something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yolorknn.errors import DeployError
from yolorknn.fleet.record import BoardState, Record


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "m.rknn").write_bytes(b"a model")
    return tmp_path / "m.rknn"


def file_of(model: Path) -> Path:
    (only,) = (model.parent / "state/yolorknn").iterdir()
    return only


def test_it_is_gone_on_with(model: Path) -> None:
    begun = Record.begin(model, "there", ["a", "b"])
    begun.note("a", BoardState("done", None, "1" * 64, "98% of what m.onnx finds"))
    read = Record.resume(model, "there", [])
    assert read == begun
    assert list(Record.resume(model, "there", ["b", "c"]).boards.values()) == [BoardState()] * 2
    with pytest.raises(DeployError, match="went to another folder: add --folder there"):
        Record.resume(model, "here", [])
    model.write_bytes(b"another")
    with pytest.raises(DeployError, match=r"there is no rollout of .*m\.rknn"):
        Record.resume(model, "there", [])
    begun.forget()
    assert not any((model.parent / "state/yolorknn").iterdir())


def test_one_rollout_of_a_model_at_a_time(model: Path) -> None:
    first = Record.begin(model, "there", ["a"])
    with first.alone():
        second = Record.begin(model, "there", ["b"])
        taken = pytest.raises(DeployError, match=r"m\.rknn is being rolled out by another yolorknn on this PC")
        with taken, second.alone():
            pytest.fail("both had it")
        other = model.with_name("n.rknn")
        other.write_bytes(b"another")
        with Record.begin(other, "there", ["b"]).alone():
            pass
    with first.alone():
        pass


@pytest.mark.parametrize(
    "change",
    [
        {"boards": []},
        {"boards": {"a": {"state": "odd"}}},
        {"boards": {"a": {"unknown": 1}}},
        {"more": 1},
        {"boards": None},
    ],
)
def test_what_is_no_record(model: Path, change: dict[str, Any]) -> None:
    Record.begin(model, "there", ["a"]).note("a", BoardState())
    file = file_of(model)
    for text in ("", "[]", "[" * 100_000, json.dumps({**json.loads(file.read_text()), **change})):
        file.write_text(text)
        with pytest.raises(
            DeployError, match=r"cannot go on with the rollout in .*; remove it, and leave out --resume"
        ):
            Record.resume(model, "there", [])
