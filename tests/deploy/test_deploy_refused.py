"""What `yolorknn deploy` refuses before it has installed anything, through a real sshd onto the emulated board."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import BARE, ON_THE_BOARD, command, refused
from tests.fakes import sshd

pytestmark = ON_THE_BOARD
PYTHONS = {
    "another architecture": ('exec /usr/bin/python3 "$@"', r"has a Python for x86_64, 64 bit: .*aarch64"),
    "too old": (
        f'exec {BARE} -c "import sys; sys.version_info = (3, 9, 1); exec(sys.argv[1])" "$2"',
        r"has Python 3\.9, yolorknn needs 3\.10 or later: .*uv python install 3\.12.*--python",
    ),
    "without venv": (
        f'exec {BARE} -c "import sys; sys.modules[\'ensurepip\'] = None; exec(sys.argv[1])" "$2"',
        r"cannot make a venv: run there 'sudo apt install python3\.\d+-venv'",
    ),
    "not JSON": ("echo hello", r"answered nonsense .*'hello'"),
}


@pytest.mark.parametrize("kind", PYTHONS)
def test_a_python_that_will_not_do(server: sshd.Sshd, model: Path, kind: str) -> None:
    script, message = PYTHONS[kind]
    server.command("python-odd", script)
    said = refused(server, model, "--samples", "dataset/images", "--python", "python-odd")
    assert re.search(message, said), said


def test_no_python(server: sshd.Sshd, model: Path) -> None:
    said = refused(server, model, "--samples", "dataset/images", "--python", "python9")
    assert "has no python9: run there 'sudo apt install python3-venv'" in said


def test_a_full_disk(server: sshd.Sshd, model: Path) -> None:
    small = server.home / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a disk to fill")
    try:
        said = refused(server, model, "--samples", "dataset/images", "--folder", "small")
        assert re.search(r"copying to .*small failed, as the disk of \S+ is full: see 'df -h' there", said)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_connections_that_fail(server: sshd.Sshd, model: Path, tmp_path: Path) -> None:
    assert "refused the login; check the user" in refused(server, model, key="other")
    assert "refuses ssh" in refused(server, model, "--port", "9")
    unknown = tmp_path / "known_hosts"
    unknown.touch()
    strict = ["--ssh-option", "StrictHostKeyChecking=yes"]
    words = [word.replace(f"{server.folder}/known_hosts", str(unknown)) for word in command(server, model, *strict)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "its host key is not known here; connect once with: ssh " in done.stderr
    unknown.write_text("board " + (server.folder / "other.pub").read_text())
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "has another host key than before" in done.stderr
    words = [word.replace("HostName=127.0.0.1", "HostName=board.invalid") for word in command(server, model)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no such host; give its address" in done.stderr
