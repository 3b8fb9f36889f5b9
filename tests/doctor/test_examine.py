"""What the doctor finds, as the command prints it and as an error of a model quotes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.trees import Tree, library_moved, model_for
from yolorknn import BackendError, InferenceError, ModelError
from yolorknn.cli.app import app
from yolorknn.doctor.examine import diagnosed, examine, explain
from yolorknn.doctor.machine import Finding, Machine


@pytest.fixture
def here(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Let the command believe that it runs on the tree's board."""
    monkeypatch.setattr("yolorknn.doctor.examine.Machine", lambda: tree.machine)
    return tree


def test_the_command(here: Tree) -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0 and "ok       chip: Radxa ROCK 5B: rk3588, 3 NPU cores\n" in done.output
    library_moved(here)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "problem  librknnrt.so is" in done.output
    assert "\n         fix: sudo ln -s /usr/lib64/librknnrt.so /usr/lib/librknnrt.so\n" in done.output
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    rows = json.loads(done.output)
    assert [row["check"] for row in rows if row["status"] == "problem"] == ["librknnrt"]


@pytest.mark.parametrize("error", [BackendError, InferenceError, ModelError])
def test_an_error_on_the_board_points_to_the_finding(here: Tree, tmp_path: Path, error: type[Exception]) -> None:
    library_moved(here)
    path = model_for(tmp_path)
    with (
        pytest.raises(
            error, match=r"init failed; yolorknn doctor finds: librknnrt.so is .*only: sudo ln -s /usr/lib64"
        ),
        diagnosed(path),
    ):
        raise error("init failed")
    path.write_bytes(b"")  # a model that the doctor cannot read is not the doctor's error
    assert explain(path) is not None


def test_an_error_where_nothing_is_wrong_stays_as_it_is(here: Tree, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"^init failed$"), diagnosed(model_for(tmp_path)):
        raise BackendError("init failed")


def test_an_error_does_not_have_the_model_opened_again(
    here: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hung(path: Path, **_: object) -> Finding:
        return Finding("NPU memory", "warning", f"{path} did not open in 60 s")

    monkeypatch.setattr("yolorknn.doctor.board.npu_memory", hung)
    monkeypatch.setattr("yolorknn.doctor.board.Path", lambda _: here.root)  # where the doctor itself opens it
    model = model_for(tmp_path)
    assert hung(model) in examine(model=model)
    monkeypatch.setattr("yolorknn.doctor.board.npu_memory", None)
    assert explain(model) is None


def test_on_a_pc_nothing_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Machine(root=tmp_path / "empty", architecture="x86_64", version=lambda _: None)
    monkeypatch.setattr("yolorknn.doctor.examine.Machine", lambda: empty)
    with pytest.raises(ModelError, match=r"^no board$"), diagnosed(model_for(tmp_path)):
        raise ModelError("no board")
