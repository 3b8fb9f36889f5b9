"""How three boards are, through real sshd's: their files, their doctor, and a real page on loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import yolorknn
from tests.conftest import ROOT
from tests.docs.pages import commands
from tests.fakes.standin_board import NAME, Standins
from yolorknn.cli.app import app
from yolorknn.errors import DeployError

TOKEN = "a token of enough letters"
DOCUMENTED = [words[1:] for words in commands(ROOT / "docs/scale.md") if words[:2] == ("yolorknn", "fleet")]


def status(words: tuple[str, ...], *more: object) -> Result:
    return CliRunner().invoke(app, [*words, *map(str, more)])


def test_what_three_boards_say(boards: Standins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """board1 has a page with two cameras, of which one is absent; board2 is away; board3 is hot and has no model."""
    pytest.importorskip("starlette")
    from tests.fakes.served import serving
    from yolorknn.serve.page import Page

    model = boards.model("first")
    one, _, three = boards.boards
    for board in boards.boards:
        for path in board.place.glob("*.rknn"):
            path.unlink()
    shutil.copy(model, one.place / NAME)
    shutil.copy(model, one.place / f"{NAME[:-5]}.0123456789ab.rknn")
    findings = json.loads((three.home / "doctor").read_text())
    findings += [{"check": "device", "status": "problem", "text": "there is no /dev/dri/renderD*", "fix": "ls"}]
    (three.home / "doctor").write_text(json.dumps(findings, indent=1))
    boards.reach(away=["board2"])
    monkeypatch.chdir(model.parent)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    table, as_json = DOCUMENTED
    with (
        serving(tmp_path, ["door"], absent=["yard"]) as served,
        Page(served.watcher, served.hub, port=0, token=TOKEN) as page,
    ):
        port = int(page.url.rpartition(":")[2])
        done = status(as_json, "--page", port, "--page-token", tmp_path / "token")
        shown = status(table, "--page", port, "--page-token", tmp_path / "token")
        wrong = status(as_json, "--page", port)
    nobody = status(as_json, "--page", port)
    assert all(TOKEN not in each.output for each in (done, shown, wrong))
    first, second, third = json.loads(done.stdout)["boards"]
    door, yard = first["cameras"]
    assert (door["name"], door["up"], yard["name"], yard["up"], yard["age"]) == ("door", True, "yard", False, None)
    assert door["fps"] > 0 and 0 <= door["age"] < 60 and first["page"] == ""
    assert first["models"] == {NAME: hashlib.sha256(model.read_bytes()).hexdigest()}, "what is kept beside it is none"
    assert first["yolorknn"] == yolorknn.__version__
    assert (first["driver"], first["librknnrt"]) == ("rknpu 0.9.8, kernel 6.1.0", "librknnrt 2.3.2")
    assert second["host"] == "board2" and "refuses ssh" in second["error"]
    assert third["models"] == {} and third["problems"] == ["there is no /dev/dri/renderD*"]
    assert isinstance(done.exception, DeployError) and done.exit_code == 1
    assert str(done.exception) == "1 of 3 boards did not say how they are: board2"
    lines = shown.stdout.splitlines()
    assert len({line.index("rknpu") for line in lines if "rknpu" in line}) == 1 and len(lines) == 4
    assert lines[1].startswith("board1") and " 1/2 " in lines[1] and f"  {NAME}  " in lines[1]
    assert [board["page"] for board in json.loads(wrong.stdout)["boards"][::2]] == ["the page wants a token"] * 2
    for board in json.loads(nobody.stdout)["boards"][::2]:
        assert board["page"] == f"no page on port {port}" and board["cameras"] is None
        assert board["temperature"] == 47


def test_a_board_without_yolorknn_is_told(boards: Standins, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("board1")
    done = status(("fleet", "status"), hosts, "--folder", "elsewhere", "--json")
    (board,) = json.loads(done.stdout)["boards"]
    assert board["error"].startswith("board1 has no yolorknn in elsewhere, where deploy puts it: deploy to it, or give")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no board: write user@address"),
        ("# none\n\n", "names no board"),
        ("a\nb\na # again\n", "a is named 2 times"),
        ("-oProxyCommand=evil", "'-oProxyCommand=evil' is no board"),
        ("rock at board", "'rock at board' is no board"),
    ],
)
def test_hosts_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "hosts.txt").write_text(text)
    done = status(("fleet", "status"), tmp_path / "hosts.txt")
    assert isinstance(done.exception, DeployError) and said in str(done.exception)
    done = status(("fleet", "status"), tmp_path / "absent.txt")
    assert "cannot read the boards of" in str(done.exception)
