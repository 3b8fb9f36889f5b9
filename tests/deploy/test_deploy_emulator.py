"""`yolorknn deploy` through a real sshd onto the emulated board: a real venv, the vendor's real aarch64 wheel."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.deploy.conftest import BARE, MODEL, ON_THE_BOARD, deploy, refused
from tests.fakes import sshd
from tests.fakes.emulated_board import BOARD
from tests.fakes.standin import write_replay
from tests.fakes.tiny_onnx import IMAGE, VECTOR, two_inputs
from yolorknn import DeployError, Place, Runner, build
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import probe
from yolorknn.deploy.service import install_service
from yolorknn.deploy.ssh import Remote

pytestmark = ON_THE_BOARD
FOLDER = 'it\'s $HOME; a "board"'
DOCUMENTED = {
    line.partition(" #")[0].strip(): None
    for file in ("README.md", "docs/board.md")
    for line in (ROOT / file).read_text().splitlines()
    if line.startswith("yolorknn deploy ")
}


class Documented:
    """The commands of README.md and docs/board.md as they stand, `board` being a name in an ssh configuration."""

    def __init__(self, server: sshd.Sshd, model: Path, folder: Path) -> None:
        self._folder, self.left = folder, list(DOCUMENTED)
        sshd.name_boards(folder, {"board": server})
        shutil.copy(model, folder / "v8n-rk3588-i8.rknn")
        shutil.copy(model.with_name("demo.onnx"), folder)
        shutil.copytree(model.parent / "frames", folder / "images")
        (server.home / FOLDER).mkdir()
        for name in ("yolorknn", "detector"):
            (server.home / name).symlink_to(FOLDER)
        (server.home / ".local/bin").mkdir(parents=True)
        (server.home / ".local/bin/python3.12").symlink_to(BARE)

    def run(self, last: str) -> subprocess.CompletedProcess[str]:
        """Run the command with these last options."""
        (line,) = [line for line in self.left if line.endswith(last)]
        environment = os.environ | {
            "PATH": f"{self._folder}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(BOARD / "wheels"),
        }
        words = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=400, cwd=self._folder, env=environment
        )
        self.left.remove(line)
        return done


@pytest.fixture(scope="module")
def documented(server: sshd.Sshd, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Documented:
    return Documented(server, model, tmp_path_factory.mktemp("documented"))


@pytest.fixture(scope="module")
def deployed(documented: Documented) -> subprocess.CompletedProcess[str]:
    """The first deployment, onto a bare board without internet."""
    return documented.run("--offline")


def asked(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("board$ ")]


def test_a_bare_board_without_internet(deployed: subprocess.CompletedProcess[str], server: sshd.Sshd) -> None:
    assert deployed.returncode == 0, deployed.stderr
    first, *rows, last = [line.split() for line in deployed.stdout.splitlines()]
    assert first[:3] == ["image", "PC", "board"] and len(rows) == 6 and last[:3] == ["all", "6", "images"]
    assert "problem: kernel" in deployed.stderr and "fix: sudo apt install linux-image-vendor" in deployed.stderr
    words = ["-c ...", "mkdir -p", "-c ...", "-m venv --clear .venv", "mkdir -p", "pip install", "doctor", "detect"]
    words += ["-c ..."]
    for word, step in zip(words, asked(deployed), strict=True):
        assert word in step
    place = server.home / FOLDER
    assert {path.name for path in place.iterdir()} == {".venv", "wheels", "samples", "v8n-rk3588-i8.rknn"}
    assert list((place / ".venv/lib").glob("python*/site-packages/rknnlite"))
    assert list((place / ".venv/lib").glob("python*/site-packages/yolorknn/deploy"))


def test_again_with_the_simulator(
    deployed: subprocess.CompletedProcess[str], documented: Documented, server: sshd.Sshd
) -> None:
    """What the NPU is said to compute is what the simulator did: nothing in between changes it."""
    samples = server.home / FOLDER / "samples"
    (samples / "9999.png").write_bytes(b"of an earlier, larger set")
    done = documented.run("--simulate --dataset images/")
    assert done.returncode == 0, done.stderr
    assert not [step for step in asked(done) if "pip" in step or "-m venv" in step] and len(asked(done)) == 6
    assert len(list(samples.glob("*.png"))) == 6
    _, *rows, last = [line.split() for line in done.stdout.splitlines()]
    assert all(row[1] == row[2] == row[3] and row[4:6] == ["0", "0"] for row in rows), done.stdout
    assert int(last[3]) > 6 and float(last[-2]) > 0.999 and abs(float(last[-1])) < 0.001


def test_a_board_that_finds_other_boxes(
    deployed: subprocess.CompletedProcess[str], documented: Documented, server: sshd.Sshd, model: Path, tmp_path: Path
) -> None:
    """It answers each image with the outputs of another."""
    data = model.with_name("replay.bin").read_bytes()
    keys, outputs, at = [], [], 4
    while at < len(data):
        key, floats = struct.unpack_from("<II", data, at)
        keys.append(key)
        outputs.append(data[at + 4 : at + 8 + 4 * floats])
        at += 8 + 4 * floats
    mixed = b"".join(struct.pack("<I", key) + other for key, other in zip(keys, outputs[3:] + outputs[:3], strict=True))
    (tmp_path / "mixed.bin").write_bytes(b"YKRP" + mixed)
    server.set(STANDIN_REPLAY=str(tmp_path / "mixed.bin"))
    done = documented.run("--samples images/")
    server.set(STANDIN_REPLAY=str(model.with_name("replay.bin")))
    assert done.returncode == 1 and done.stdout.splitlines()[-1].startswith("all 6 images"), done.stderr
    assert re.search(r"error: the board agrees with demo.onnx in \d+% of what they find, less than 80%", done.stderr)


def test_a_board_whose_pip_reaches_nothing(
    deployed: subprocess.CompletedProcess[str], documented: Documented, server: sshd.Sshd, model: Path
) -> None:
    """An older yolorknn is there, and one of its packages is not."""
    (about,) = (server.home / FOLDER / ".venv/lib").glob("python*/site-packages/yolorknn-*.dist-info")
    (needed,) = about.parent.glob("mdurl-*.dist-info")
    shutil.move(needed, server.folder)
    old = about.rename(about.with_name("yolorknn-0.0.1.dist-info"))
    metadata = re.sub(r"^Version: .*", "Version: 0.0.1", (old / "METADATA").read_text(), flags=re.MULTILINE)
    (old / "METADATA").write_text(metadata)
    frames = str(model.parent / "frames")
    server.set(PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0")
    said = refused(server, model, "--samples", frames, "--folder", FOLDER)
    assert re.search(r"pip on \S+ cannot fetch packages: .*; without internet, add --offline", said)
    server.set(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(BOARD / "wheels"))  # what it can reach
    done = documented.run("--python .local/bin/python3.12 --folder detector")
    assert done.returncode == 0, done.stderr
    assert any("pip install" in step and "--no-index" not in step for step in asked(done))
    assert not any("-m venv" in step for step in asked(done))
    assert done.stdout.splitlines()[-1].startswith("all 6 images")


def test_a_model_of_any_kind(
    deployed: subprocess.CompletedProcess[str], server: sshd.Sshd, model: Path, tmp_path: Path
) -> None:
    """Its NPU answers as the simulator did; then with something else."""
    net = build(two_inputs(tmp_path / "two.onnx"), generic=True)
    np.savez(tmp_path / "in.npz", **{"image": IMAGE, "a/b": VECTOR})
    with Runner(net, place=Place(simulate=True)) as runner:
        answer = runner.run({"image": IMAGE, "a/b": VECTOR})
    for turned, status in ((False, 0), (True, 1)):
        outputs = [array[..., ::-1] if turned else array for array in answer.values()]
        server.set(STANDIN_REPLAY=str(write_replay(tmp_path / f"{turned}.bin", {0: outputs})))
        done = deploy(server, net, "--input", str(tmp_path / "in.npz"), "--folder", FOLDER)
        server.set(STANDIN_REPLAY=str(model.with_name("replay.bin")))
        assert done.returncode == status and done.stdout, done.stderr
        head, _, title, *rows = done.stdout.splitlines()
        assert head == f"the board against two.onnx, on {tmp_path / 'in.npz'}" and title.startswith("output")
        assert [row.split()[:2] for row in rows] == [["y", "board"], ["top", "board"]]
        assert (float(rows[0].split()[2]) > 0.9999) == (not turned)
    assert re.search(r"error: output y of the board has a cosine of \S+ against two.onnx, less than 0.999", done.stderr)


def test_a_model_for_another_chip(deployed: subprocess.CompletedProcess[str], server: sshd.Sshd, model: Path) -> None:
    other = model.with_name("demo-rk3566-fp16.rknn")
    done = deploy(server, other, "--samples", str(model.parent / "frames"), "--folder", FOLDER)
    assert done.returncode == 1
    assert re.search(r"^error: .*built for rk3566.*, this board is rk3588: yolorknn build ", done.stderr, re.MULTILINE)


def test_an_npu_that_fails(deployed: subprocess.CompletedProcess[str], server: sshd.Sshd, model: Path) -> None:
    server.set(STANDIN_FAIL="rknn_init:-6")
    done = deploy(server, model, "--samples", str(model.parent / "frames"), "--folder", FOLDER)
    server.set(STANDIN_FAIL="")
    assert done.returncode == 1 and done.stdout == ""
    said = done.stderr.splitlines()[-1]
    assert re.match(
        r"error: detect failed on \S+: init_runtime returned -1 .*RKNN_ERR_MODEL_INVALID.*doctor finds: ", said
    )


def test_a_documented_service(
    deployed: subprocess.CompletedProcess[str], documented: Documented, server: sshd.Sshd
) -> None:
    server.command("systemctl", "true")
    server.command("install", "true")
    done = documented.run("--service camera20")
    assert done.returncode == 0 and "yolorknn-camera20.service runs now and after each boot" in done.stdout, done.stderr
    assert documented.left == [], "every documented command is run"


def test_the_service(deployed: subprocess.CompletedProcess[str], server: sshd.Sshd) -> None:
    """systemd cannot run here; what is asked of it is noted."""
    log, place = server.folder / "asked", server.home / FOLDER
    server.command("systemctl", f'echo systemctl "$@" >>{log}')
    server.command("install", f'echo install "$@" >>{log}')
    with Remote(server.host, port=server.port, options=server.options()) as remote:
        board = probe(remote, "python3")
        installed = Installed(str(place), MODEL)
        told = install_service(remote, dataclasses.replace(board, root=True), installed, "camera0")
        unit = "yolorknn-camera0.service"
        assert log.read_text().splitlines() == [
            f"install -m 644 {place}/{unit} /etc/systemd/system/{unit}",
            "systemctl daemon-reload",
            f"systemctl enable {unit}",
            f"systemctl restart {unit}",
        ]
        assert f"journalctl -fu {unit}" in told and f"systemctl disable --now {unit}" in told
        assert "ExecStart=" in (place / unit).read_text()
        server.command("sudo", "echo sudo: a password is required >&2; exit 1")
        told = install_service(remote, dataclasses.replace(board, root=False), installed, "camera0")
        commands = [shlex.split(line) for line in told.splitlines()[1:]]
        assert [words[:2] for words in commands] == [["sudo", "install"], *[["sudo", "systemctl"]] * 3]
        assert commands[0][4] == f"{place}/{unit}"
        server.command("sudo", f'[ "$1" = -n ] && shift; echo as root: "$@" >>{log}')
        install_service(remote, dataclasses.replace(board, root=False), installed, "camera0")
        assert log.read_text().splitlines()[-1] == f"as root: systemctl restart {unit}"
        server.command("systemctl", "echo Failed to enable unit: no >&2; exit 1")
        with pytest.raises(DeployError, match=r"systemctl daemon-reload failed on \S+: Failed to enable unit: no"):
            install_service(remote, dataclasses.replace(board, root=True), installed, "camera0")
    for name in ("systemctl", "install", "sudo"):
        (server.bin / name).unlink()
