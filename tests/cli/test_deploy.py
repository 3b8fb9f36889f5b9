from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.commands import TOLD, misused, refused, replace_function, run
from yolorknn.deploy.deploy import Deployment
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board
from yolorknn.errors import DeployError, ModelError
from yolorknn.tasks.agreement import Agreement

BOARD = Board("/usr/bin/python3", (3, 11), 36, "/home/me", "me", False, ("video",))
INSTALLED = Installed("/home/me/yolorknn", "m.rknn")


def deployment(found: int) -> Deployment:
    row = Agreement("a.jpg", 10, found, (0.9,) * found, (0.0,) * found)
    return Deployment(BOARD, INSTALLED, (), (row,), "m.onnx")


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
        self.local_side = replace_function(monkeypatch, "yolorknn.deploy.deploy.local_side", None)
        self.deploy = replace_function(monkeypatch, "yolorknn.deploy.deploy.deploy", deployment(10))
        self.install = replace_function(monkeypatch, "yolorknn.deploy.service.install_service", "its log: journalctl")


@pytest.fixture
def ssh(monkeypatch: pytest.MonkeyPatch) -> Ssh:
    return Ssh(monkeypatch)


def defaults(ssh: Ssh) -> dict[str, Any]:
    return {
        "remote": ssh.connection,
        "model": Path("m.rknn"),
        "samples": None,
        "folder": "yolorknn",
        "python": "python3",
        "offline": False,
        "simulate": False,
        "dataset": None,
        "tell": TOLD,
    }


def test_what_it_passes_on(ssh: Ssh) -> None:
    done = run("deploy", "m.rknn", "me@board")
    assert ssh.local_side.call == {"model": Path("m.rknn"), "samples": None, "simulate": False}
    assert ssh.remote.call == {"host": "me@board", "port": None, "options": [], "tell": TOLD}
    assert ssh.deploy.call == defaults(ssh) and ssh.install.calls == []
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
    assert ssh.remote.call == {"host": "me@board", "port": 2222, "options": ["A=1", "B=2"], "tell": TOLD}
    assert ssh.deploy.call == {
        **defaults(ssh),
        "samples": Path("images"),
        "folder": "there",
        "python": "python3.12",
        "offline": True,
        "simulate": True,
        "dataset": Path("set"),
    }
    assert ssh.install.call == {
        "remote": ssh.connection,
        "board": BOARD,
        "installed": INSTALLED,
        "source": "camera0",
    }
    assert done.stdout == f"{deployment(10).table()}\nits log: journalctl\n"


def test_a_board_that_does_not_agree_gets_no_service(ssh: Ssh) -> None:
    ssh.deploy.answer = deployment(1)
    assert refused("deploy", "m.rknn", "me@board", "--service", "camera0").startswith("the board agrees with m.onnx in")
    assert ssh.install.calls == [] and not ssh.connection.is_open


def test_a_mistake_on_the_pc_shows_before_the_board_is_asked(ssh: Ssh) -> None:
    ssh.local_side.answer = ModelError("there is no m.onnx")
    assert refused("deploy", "m.rknn", "me@board") == "there is no m.onnx"
    assert ssh.remote.calls == []


def test_what_fails_or_is_mistyped(ssh: Ssh) -> None:
    assert misused("deploy", "m.rknn").startswith("Missing argument")
    assert misused("deploy", "m.rknn", "me@board", "--port", 70000).startswith("Invalid value for '--port'")
    assert ssh.remote.calls == []
    ssh.deploy.answer = DeployError("board has no Python 3.10 to 3.12")
    assert refused("deploy", "m.rknn", "me@board") == "board has no Python 3.10 to 3.12"
    assert not ssh.connection.is_open
