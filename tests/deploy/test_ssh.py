"""Commands and files through a real sshd, and what ssh says, in words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import sshd
from tests.fakes.waiting import until
from yolorknn import DeployError
from yolorknn.deploy.install import install
from yolorknn.deploy.probe import Board
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.supply import Supply

needs_sshd = pytest.mark.skipif(bool(sshd.unavailable()), reason=sshd.unavailable())


def test_the_reason_of_a_failure() -> None:
    assert Done(1, "", "ERROR: Could not\n\nhint: x\n").reason == "Could not"
    assert Done(1, "", "a\nb\n").reason == "b" and Done(3, "", "").reason == "exit status 3"


def test_no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DeployError, match="sudo apt install openssh-client"), Remote("board"):
        pass
    assert list(tmp_path.iterdir()) == []


@needs_sshd
def test_words_arrive_as_they_are(server: sshd.Sshd) -> None:
    words = ["", " ", "a b", "it's", '"', "$HOME", "`id`", "\\", "*", "-n", "x\ny", "ä€", "%s", "!1", "#", "~"]
    with Remote(server.host, port=server.port, options=server.options()) as remote:
        script = "import json, sys; print(json.dumps(sys.argv[1:]))"
        done = remote.run("/usr/bin/python3", "-c", script, *words)
        assert json.loads(done.stdout) == words
        for name in ("a b", "it's", "$HOME", "-n", "ü"):
            remote.send({"x y.txt": name.encode(), "d/e": b""}, f"{server.home}/{name}")
            assert remote.run("cat", "x y.txt", folder=f"{server.home}/{name}").stdout == name
            shutil.rmtree(server.home / name)
        assert remote.run("sh", "-c", "echo no >&2; exit 7").reason == "no"
        assert remote.run("sh", "-c", "exit 7").status == 7


@needs_sshd
def test_only_folders_of_our_own_making_are_replaced(server: sshd.Sshd) -> None:
    home = server.home / "with samples"
    (home / "samples").mkdir(parents=True)
    (home / "samples/mine.jpg").write_bytes(b"mine")
    with Remote(server.host, port=server.port, options=server.options()) as remote:
        with pytest.raises(DeployError, match="samples is there and not of yolorknn's making: move it away, or give"):
            remote.send({"samples/0.jpg": b"", "m.rknn": b""}, str(home))
        assert [path.name for path in home.iterdir()] == ["samples"], "nothing is left of what was sent"
        assert (home / "samples/mine.jpg").read_bytes() == b"mine"
        (home / "samples").rename(home / "own")
        for number in range(2):
            remote.send({f"samples/{number}.jpg": b"", "m.rknn": b""}, str(home))
            assert [path.name for path in (home / "samples").glob("*.jpg")] == [f"{number}.jpg"]
        (home / "samples/.yolorknn").unlink()
        earlier = home / ".venv/lib/python3.11/site-packages/yolorknn-0.1.0+0123456789ab.dist-info"
        earlier.mkdir(parents=True)
        remote.send({"samples/2.jpg": b""}, str(home))
        assert [path.name for path in (home / "samples").glob("*.jpg")] == ["2.jpg"], "of a deploy without marks"
        shutil.rmtree(home)


@needs_sshd
def test_a_venv_of_anothers_is_not_cleared(server: sshd.Sshd, tmp_path: Path) -> None:
    home = server.home / "with venv"
    (home / ".venv/bin").mkdir(parents=True)
    board = Board("/usr/bin/python3", (3, 10), 36, str(server.home), "user", root=False, groups=())
    with (
        Remote(server.host, port=server.port, options=server.options()) as remote,
        pytest.raises(DeployError, match=r"with venv/\.venv on .* is not of yolorknn's making: move it away"),
    ):
        install(remote, board, str(home), Supply())
    assert (home / ".venv/bin").is_dir()
    (home / ".venv/.yolorknn").touch()  # as where a deploy was killed before its venv was whole
    with (
        Remote(server.host, port=server.port, options=server.options()) as remote,
        pytest.raises(DeployError, match="making the venv failed"),
    ):
        install(remote, replace(board, command="/bin/false"), str(home), Supply())
    assert [path.name for path in (home / ".venv").iterdir()] == [".yolorknn"], "the next one may go on"
    assert [path.name for path in home.iterdir()] == [".venv"]
    shutil.rmtree(home)


def running(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@needs_sshd
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(server: sshd.Sshd, sign: signal.Signals) -> None:
    """A child of a child on the board, and the connection on the PC."""
    marker = f"1000{sign.value}{os.getpid()}"
    code = (
        "import sys; from yolorknn.deploy.ssh import Remote\n"
        f"with Remote({server.host!r}, port={server.port}, options={server.options()!r}) as remote:\n"
        f"    remote.run('sh', '-c', 'sh -c \"sleep {marker}; true\"; true')"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        until(lambda: len(running(f"sleep\0{marker}")) == 1)
        os.kill(process.pid, sign)
        process.wait(20)
        until(lambda: not running(marker))
        connections = running(f"-p\0{server.port}\0")
        assert len(connections) == (sign == signal.SIGKILL), "of which nothing can be closed, it closes later"
        for pid in connections:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            os.kill(pid, signal.SIGTERM)
            shutil.rmtree(Path(words[words.index("-S") + 1]).parent)
    finally:
        process.kill()
