"""Three emulated boards, each with a real venv, the vendor's wheel and a home of its own, behind sshd's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.deploy.conftest import MODEL, ON_THE_BOARD
from tests.fakes.emulated_board import BOARD
from tests.fakes.sshd import Sshd, name_boards
from yolorknn import build
from yolorknn.cli.app import app

pytestmark = [*ON_THE_BOARD, pytest.mark.exhaustive]
NAMES = ("board1", "board2", "board3")


@pytest.fixture
def servers(tmp_path: Path, board_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sshd]]:
    found = {name: Sshd(tmp_path / name) for name in NAMES}
    for server in found.values():
        server.set(STANDIN_REPLAY=str(board_data / "replay.bin"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(BOARD / "wheels"))
    yield found
    for server in found.values():
        server.close()


def states(done: Result) -> list[str]:
    _, *lines = done.stdout.splitlines()
    return [line.split()[1] for line in lines]


def test_a_fleet(servers: dict[str, Sshd], board_data: Path, tmp_path: Path) -> None:
    """A bare board and two like it; one for another chip, which stops at the canary; another model; and back."""
    models = {}
    for word in ("first", "second", "bad"):
        (tmp_path / word).mkdir()
        shutil.copy(board_data / "demo.onnx", tmp_path / word)
        models[word] = tmp_path / word / MODEL
    shutil.copy(board_data / MODEL, models["first"])
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((board_data / "frames").iterdir())[:3]:
        shutil.copy(path, few)
    made = build(tmp_path / "second/demo.onnx", platform="rk3588", dataset=few)
    assert made == models["second"]
    shutil.copy(board_data / "demo-rk3566-fp16.rknn", models["bad"])
    digests = {word: hashlib.sha256(path.read_bytes()).hexdigest() for word, path in models.items()}
    assert len(set(digests.values())) == 3

    def deploy(word: str, *options: str, boards: Sequence[str] = NAMES) -> Result:
        images = [] if "--rollback" in options else ["--samples", str(board_data / "frames"), "--offline"]
        return CliRunner().invoke(app, ["deploy", str(models[word]), *boards, *images, *options])

    def there() -> list[str]:
        files = [server.home / "yolorknn" / MODEL for server in servers.values()]
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]

    name_boards(tmp_path, servers)
    done = deploy("first", "--canary", "1", boards=["board1"])
    assert done.exit_code == 0 and states(done) == ["done"], done.output
    for name in ("board2", "board3"):  # as installing takes a minute each
        shutil.copytree(servers["board1"].home / "yolorknn", servers[name].home / "yolorknn", symlinks=True)
    assert there() == [digests["first"]] * 3
    done = deploy("bad")
    assert done.exit_code == 1 and states(done) == ["failed", "left", "left"], done.output
    assert "is built for rk3566" in done.stdout and there() == [digests["first"]] * 3
    name_boards(tmp_path, servers, away=["board2"])
    done = deploy("second")
    assert done.exit_code == 1 and states(done) == ["done", "away", "done"], done.output
    assert there() == [digests["second"], digests["first"], digests["second"]]
    name_boards(tmp_path, servers)
    done = deploy("second", "--resume")
    assert done.exit_code == 0 and there() == [digests["second"]] * 3, done.output
    (tmp_path / "hosts.txt").write_text("\n".join(NAMES))
    done = CliRunner().invoke(app, ["fleet", "status", str(tmp_path / "hosts.txt"), "--json"])
    assert done.exit_code == 0, done.output
    for board in json.loads(done.stdout)["boards"]:
        assert board["models"] == {MODEL: digests["second"]} and board["librknnrt"].startswith("librknnrt ")
        assert "+" in board["yolorknn"] and board["page"].startswith("no page on port 8080")
    done = deploy("second", "--rollback")
    assert done.exit_code == 0 and states(done) == ["back"] * 3, done.output
    assert there() == [digests["first"]] * 3
