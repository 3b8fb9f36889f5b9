"""A model onto three boards through real sshd's: where it stops, what is left alone, and the way back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import ROOT
from tests.docs.pages import commands
from tests.fakes.standin_board import NAME, StandinBoard, Standins
from tests.fakes.waiting import until
from yolorknn.cli.app import app
from yolorknn.errors import DeployError

NAMES = ("board1", "board2", "board3")


def digest(model: Path) -> str:
    return hashlib.sha256(model.read_bytes()).hexdigest()


DOCUMENTED = [words[1:] for words in commands(ROOT / "docs/scale.md") if words[:2] == ("yolorknn", "deploy")]


def documented(model: Path, last: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run the command of docs/scale.md that ends so."""
    (words,) = [words for words in DOCUMENTED if " ".join(words).endswith(last)]
    monkeypatch.chdir(model.parent)
    return CliRunner().invoke(app, words)


def states(done: Result) -> dict[str, str]:
    """Read the table."""
    _, *lines = done.stdout.splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def test_away_resumed_a_bad_one_and_the_way_back(
    boards: Standins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/scale.md, in a story, as each model that is put onto a board takes a second."""
    assert len(DOCUMENTED) == 4
    first, second, bad = (boards.model(word) for word in ("first", "second", "bad"))
    for board in boards.boards:
        shutil.copy(first, board.place / NAME)

    boards.reach(away=["board1"])
    done = documented(second, "--hosts hosts.txt --samples images/", monkeypatch)
    assert states(done) == {"board1": "away", "board2": "done", "board3": "done"}
    what = f"2 of 3 boards have {NAME} (2 done, 1 away): the same with --resume goes on with the others"
    assert isinstance(done.exception, DeployError) and str(done.exception) == what
    assert "board1 refuses ssh: on it run 'sudo systemctl enable --now ssh'" in done.stdout
    assert done.stdout.count("100% of what demo.onnx finds") == 2
    assert [board.has() for board in boards.boards] == [digest(first), digest(second), digest(second)]
    (record,) = (tmp_path / "state/yolorknn").glob("*.json")
    kept = json.loads(record.read_text())
    assert kept["sha256"] == digest(second) and kept["boards"]["board2"]["now"] == digest(second)
    assert {host: board["state"] for host, board in kept["boards"].items()} == states(done)

    boards.reach()
    asked(boards)
    done = documented(second, "--resume", monkeypatch)
    assert done.exit_code == 0 and states(done) == dict.fromkeys(NAMES, "done"), done.output
    assert [board.has() for board in boards.boards] == [digest(second)] * 3
    assert asked(boards) == [True, False, False]

    was = [entries(board) for board in boards.boards]
    boards.boards[0].finds(bad=[bad])
    done = documented(bad, "--canary 2", monkeypatch)
    assert isinstance(done.exception, DeployError) and done.exit_code == 1
    assert str(done.exception).startswith(f"0 of 3 boards have {NAME} (2 left, 1 failed): those that are not done run")
    assert states(done) == {"board1": "failed", "board2": "left", "board3": "left"}
    assert "the board agrees with demo.onnx in 0% of what they find" in done.stdout
    assert asked(boards) == [True, False, False], "nobody else was asked for it"
    assert digest(boards.boards[0].home / "tried") == digest(bad)
    assert [board.has() for board in boards.boards] == [digest(second)] * 3
    assert [entries(board) for board in boards.boards] == was
    assert was == [{"samples", "wheels", ".venv", NAME, f"{NAME[:-5]}.{digest(first)[:12]}.rknn"}] * 3

    shutil.copy(bad, boards.boards[2].place / NAME)
    done = documented(second, "--rollback", monkeypatch)
    assert done.exit_code == 0 and states(done) == {"board1": "back", "board2": "back", "board3": "left"}, done.output
    assert [board.has() for board in boards.boards] == [digest(first), digest(first), digest(bad)]
    assert not record.exists(), "there is nothing to go on with"


def test_a_service_that_cannot_be_begun(boards: Standins) -> None:
    """The model has taken its place by then: nobody is told that the one before runs."""
    model = boards.model("seventh")
    one = boards.boards[0]
    before = one.has()
    for name, script in {"systemctl": "[ $1 != restart ]", "install": "true", "sudo": 'shift; "$@"'}.items():
        one.server.command(name, script)
    words = ["deploy", str(model), *NAMES[:2], "--samples", str(boards.images), "--service", "camera0"]
    done = CliRunner().invoke(app, words)
    assert states(done) == {"board1": "failed", "board2": "left"} and one.has() == digest(model) != before
    line = done.stdout.splitlines()[1]
    assert digest(model)[:12] in line and "it has the model, and no service: systemctl restart yolorknn" in line
    assert str(done.exception).endswith(
        "not done run what they ran, but for those that have it and no service; mend it, then add --resume"
    )


def asked(boards: Standins) -> list[bool]:
    """Tell which boards were asked for something since the last call."""
    return [bool(board.asked()) for board in boards.boards]


def entries(board: StandinBoard) -> set[str]:
    """Return what is in its folder, but for what is tried there."""
    return {path.name for path in board.place.iterdir()} - {"trial"}


@pytest.mark.slow
def test_one_that_fails_ends_those_beside_it(boards: Standins) -> None:
    """The second fails once the third is amid its trial."""
    model = boards.model("fourth")
    _, two, three = boards.boards
    going = boards.folder / "going"
    three.finds(script=f"touch {going}; exec sleep 4321")
    two.finds(script=f"while [ ! -e {going} ]; do sleep 0.1; done; echo hello")
    before = [board.has() for board in boards.boards]
    for board in boards.boards:
        board.server.command("systemctl", "true")
        board.server.command("install", "true")
        board.server.command("sudo", "[ $2 != true ]")  # asks for a password
    words = ["deploy", str(model), *NAMES, "--samples", str(boards.images), "--service", "camera0"]
    done = CliRunner().invoke(app, words)
    assert states(done) == {"board1": "done", "board2": "failed", "board3": "left"}
    assert "detect answered 0 of 2 images" in done.stdout
    assert "board1: yolorknn-camera0.service runs now" in done.stderr or "board1: sudo asks for" in done.stderr
    assert [(board.place / "yolorknn-camera0.service").exists() for board in boards.boards] == [True, False, False]
    assert [board.has() for board in boards.boards] == [digest(model), *before[1:]]
    until(lambda: not running("sleep\0004321"))
    going.unlink()


def running(words: str) -> bool:
    def has(entry: Path) -> bool:
        try:
            return words.encode() in (entry / "cmdline").read_bytes()
        except OSError:
            return False

    return any(has(entry) for entry in Path("/proc").glob("[0-9]*"))


@pytest.mark.slow
def test_ctrl_c_ends_at_once_and_says_what_is_done(boards: Standins, tmp_path: Path) -> None:
    model = boards.model("fifth")
    going = tmp_path / "going"
    for board in boards.boards[1:]:
        board.finds(script=f"touch {going}; exec sleep 5432")
    before = [board.has() for board in boards.boards]
    words = ["deploy", str(model), *NAMES, "--samples", str(boards.images)]
    process = subprocess.Popen(
        [sys.executable, "-m", "yolorknn", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(going.exists, by=process)
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    _, *lines = stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["board1", "done"], ["board2", "left"], ["board3", "left"]]
    assert [board.has() for board in boards.boards] == [digest(model), *before[1:]]
    until(lambda: not running("sleep\0005432"))
    (record,) = (tmp_path / "state/yolorknn").glob("*.json")
    assert json.loads(record.read_text())["boards"]["board1"]["state"] == "done"
