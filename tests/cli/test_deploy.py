from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.commands import TOLD, misused, refused, replace_function, run
from yolorknn.deploy.deploy import Deployment, Expected
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board
from yolorknn.deploy.supply import Supply
from yolorknn.deploy.switch import Switch
from yolorknn.errors import DeployError, ModelError
from yolorknn.tasks.agreement import Agreement

BOARD = Board("/usr/bin/python3", (3, 11), 36, "/home/me", "me", False, ("video",))
TRIED = Installed("/home/me/yolorknn", "trial/m.rknn")
INSTALLED = Installed("/home/me/yolorknn", "m.rknn")
SUPPLY = Supply()
EXPECTED = Expected((Path("a.jpg"),), (), "m.onnx")


def deployment(found: int) -> Deployment:
    row = Agreement("a.jpg", 10, found, (0.9,) * found, (0.0,) * found)
    return Deployment(BOARD, TRIED, (), (row,), "m.onnx")


class Connection:
    """An ssh connection that is open in its `with` alone."""

    is_open = False

    def __enter__(self) -> Connection:
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False


class Ssh:
    """The functions that the command calls, in place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection = Connection()
        self.remote = replace_function(monkeypatch, "yolorknn.deploy.ssh.Remote", self.connection)
        self.local_side = replace_function(
            monkeypatch, "yolorknn.deploy.deploy.local_side", (Path("m.onnx"), [Path("a.jpg")])
        )
        self.expect = replace_function(monkeypatch, "yolorknn.deploy.deploy.expect", EXPECTED)
        self.try_model = replace_function(monkeypatch, "yolorknn.deploy.deploy.try_model", deployment(10))
        self.supply = replace_function(monkeypatch, "yolorknn.deploy.supply.Supply", nullcontext(SUPPLY))
        self.take_over = replace_function(
            monkeypatch, "yolorknn.deploy.switch.take_over", Switch(INSTALLED, None, "0" * 64)
        )
        self.install = replace_function(monkeypatch, "yolorknn.deploy.service.install_service", "its log: journalctl")


@pytest.fixture
def ssh(monkeypatch: pytest.MonkeyPatch) -> Ssh:
    return Ssh(monkeypatch)


def defaults(ssh: Ssh) -> dict[str, Any]:
    return {
        "remote": ssh.connection,
        "model": Path("m.rknn"),
        "expected": EXPECTED,
        "folder": "yolorknn",
        "python": "python3",
        "supply": SUPPLY,
        "tell": TOLD,
    }


def test_what_it_passes_on(ssh: Ssh) -> None:
    done = run("deploy", "m.rknn", "me@board")
    assert ssh.local_side.call == {"model": Path("m.rknn"), "samples": None, "simulate": False}
    assert ssh.expect.call == {
        "model": Path("m.rknn"), "reference": Path("m.onnx"), "images": [Path("a.jpg")],
        "simulate": False, "dataset": None,
    }  # fmt: skip
    assert ssh.remote.call == {"host": "me@board", "port": None, "options": [], "tell": TOLD}
    assert ssh.try_model.call == defaults(ssh) and ssh.install.calls == []
    assert ssh.take_over.call == {"remote": ssh.connection, "tried": TRIED, "model": Path("m.rknn")}
    assert done.stdout == f"{deployment(10).table()}\n"
    assert done.stderr == f"{TOLD}\n{TOLD}\n", "brackets are no markup"
    assert not ssh.connection.is_open


def test_every_option(ssh: Ssh) -> None:
    words = ["--samples", "images", "--folder", "there", "--python", "python3.12", "--offline", "--simulate"]
    words += [
        "--dataset",
        "set",
        "--service",
        "camera0",
        "--port",
        "2222",
        "--ssh-option",
        "A=1",
        "--ssh-option",
        "B=2",
    ]
    done = run("deploy", "m.rknn", "me@board", *words)
    assert ssh.local_side.call == {"model": Path("m.rknn"), "samples": Path("images"), "simulate": True}
    assert ssh.expect.call["simulate"] is True and ssh.expect.call["dataset"] == Path("set")
    assert ssh.remote.call == {"host": "me@board", "port": 2222, "options": ["A=1", "B=2"], "tell": TOLD}
    assert ssh.try_model.call == {**defaults(ssh), "folder": "there", "python": "python3.12"}
    assert ssh.supply.call == {"offline": True}
    assert ssh.install.call == {
        "remote": ssh.connection,
        "board": BOARD,
        "installed": INSTALLED,
        "source": "camera0",
    }
    assert done.stdout == f"{deployment(10).table()}\nits log: journalctl\n"


def test_a_board_that_does_not_agree_keeps_what_it_has(ssh: Ssh) -> None:
    ssh.try_model.answer = deployment(1)
    assert refused("deploy", "m.rknn", "me@board", "--service", "camera0").startswith("the board agrees with m.onnx in")
    assert ssh.take_over.calls == ssh.install.calls == [] and not ssh.connection.is_open


def test_a_mistake_on_the_pc_shows_before_the_board_is_asked(ssh: Ssh) -> None:
    ssh.local_side.answer = ModelError("there is no m.onnx")
    assert refused("deploy", "m.rknn", "me@board") == "there is no m.onnx"
    assert ssh.remote.calls == []


def test_what_fails_or_is_mistyped(ssh: Ssh, tmp_path: Path) -> None:
    assert "name a board, or give --hosts FILE" in misused("deploy", "m.rknn")
    assert misused("deploy", "m.rknn", "me@board", "--port", 70000).startswith("Invalid value for '--port'")
    assert "leave out those after MODEL" in misused("deploy", "m.rknn", "me@board", "--hosts", "hosts.txt")
    assert "--resume" in misused("deploy", "m.rknn", "me@board", "--resume", "--rollback")
    assert refused("deploy", "m.rknn", "a", "b", "a") == "a is named 2 times: name each board once"
    assert ssh.remote.calls == []
    ssh.try_model.answer = DeployError("board has no Python 3.10 to 3.12")
    assert refused("deploy", "m.rknn", "me@board") == "board has no Python 3.10 to 3.12"
    assert not ssh.connection.is_open


class Rolled:
    """Stands in for a rollout that does nothing."""

    def run(self) -> None:
        pass


def test_several_boards(ssh: Ssh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is tried on each is what is tried on one; nobody is asked for passwords."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "m.rknn").touch()
    (tmp_path / "hosts.txt").write_text("a\nb")
    rollout = replace_function(monkeypatch, "yolorknn.fleet.rollout.Rollout", Rolled())
    words = ["--hosts", tmp_path / "hosts.txt", "--canary", 2, "--at-once", 3, "--service", "camera0", "--port", 2222]
    said = refused("deploy", tmp_path / "m.rknn", *words, "--ssh-option", "A=1")
    assert said == "0 of 2 boards have m.rknn (2 left): the same with --resume goes on with the others"
    call = rollout.call
    assert (call["canary"], call["most"], call["service"], call["tell"]) == (2, 3, "camera0", TOLD)
    assert call["model"] == tmp_path / "m.rknn" and list(call["record"].boards) == ["a", "b"]
    assert call["record"].folder == "yolorknn"
    call["connect"]("a")
    assert ssh.remote.call == {"host": "a", "port": 2222, "options": ["A=1", "BatchMode=yes"]}
    assert call["trial"](ssh.connection, print) == deployment(10)
    assert ssh.try_model.call == {**defaults(ssh), "model": tmp_path / "m.rknn"}
    refused("deploy", tmp_path / "m.rknn", "a", "--canary", 0)
    assert rollout.calls[-1]["canary"] == 0, "an option for several is meant for one too"
    said = refused("deploy", tmp_path / "m.rknn", "a", "--resume")
    assert "there is no rollout of" in said and said.endswith("from this PC: leave out --resume")


def test_a_way_back(ssh: Ssh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "m.rknn").touch()
    back = replace_function(monkeypatch, "yolorknn.fleet.rollout.roll_back", None)
    done = run("deploy", tmp_path / "m.rknn", "a", "b", "--rollback", "--folder", "there")
    assert back.call["most"] == 8 and back.call["record"].folder == "there"
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [["a", "left"], ["b", "left"]]
    assert ssh.local_side.calls == [], "nothing is run here for it"
