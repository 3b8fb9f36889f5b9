"""docs/board.md: its commands, and that it explains every finding and message that a board can give."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT, needs_toolkit
from yolorknn.doctor.board import CONTAINER, _get_library

TEXT = (ROOT / "docs/board.md").read_text()
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
SYSTEM = {
    *("sudo", "ssh", "ssh-copy-id", "timedatectl", "passwd", "ls", "strings", "python3", "curl", "pip", "."),
    *("~/.local/bin/uv", "v4l2-ctl"),
}
"""What is the system's; `yolorknn deploy` is run by test_deploy_emulator.py."""
MODEL = "v8n-rk3588-i8.rknn"


def test_every_line_is_shell_and_is_known() -> None:
    script = "\n".join(COMMANDS)
    done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in COMMANDS} == SYSTEM | {"yolorknn"}
    assert {line.split()[1] for line in COMMANDS if line.startswith("yolorknn")} == {"deploy", "doctor", "detect"}


@needs_toolkit
@pytest.mark.toolkit
def test_the_boards_own_commands(tmp_path: Path) -> None:
    from yolorknn.convert.build import build

    shutil.copytree(DATASET / "images", tmp_path / "images")
    shutil.copy(DEMO_ONNX, tmp_path / "v8n.onnx")
    build(tmp_path / "v8n.onnx", platform="rk3588", dataset=tmp_path / "images/0000.jpg")
    assert (tmp_path / MODEL).exists()
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 240))
    writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    count = 0
    for words in map(shlex.split, COMMANDS):
        if words[:2] == ["yolorknn", "detect"]:
            command = [sys.executable, str(ROOT / "tests/fakes/pretended_board.py"), *words[1:]]
        elif words[:2] == ["yolorknn", "doctor"]:
            command = [sys.executable, "-m", *words]
        else:
            continue
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0 or (words[1] == "doctor" and "fix: " in done.stdout), (words, done)
        count += 1
    assert count == 3


def test_what_the_doctor_types_is_what_the_page_types() -> None:
    assert _get_library("2.3.2") in TEXT
    assert CONTAINER in TEXT
    assert "sudo apt install linux-image-vendor-rk35xx linux-dtb-vendor-rk35xx && sudo reboot" in TEXT


def calls(file: str, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse((ROOT / "yolorknn" / file).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and re.fullmatch(name, node.func.id):
            yield node


def test_every_check_of_the_doctor_is_explained() -> None:
    names = {
        str(call.args[0].value)
        for file in ("board", "speed", "checks")
        for call in calls(f"doctor/{file}.py", "Finding")
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    rows = re.findall(r"^\| ([\w -]+) \| ", TEXT.partition("## What the doctor")[2].partition("## ")[0], re.MULTILINE)
    assert set(rows) - {"Check", "---"} == names and len(names) == 12


def fragments(call: ast.Call) -> list[str]:
    """Return the literal runs of words of a message, between what is filled in and between its clauses."""
    text = ""
    for node in call.args[:1]:
        for part in node.values if isinstance(node, ast.JoinedStr) else [node]:
            text += part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "\0"
    return [piece.strip(" '") for piece in re.split(r"[\0:;(),]", text)]


SAYING = (
    "runtime/rknnlite.py",
    "runtime/recovering.py",
    "runtime/backend.py",
    "open_model.py",
    *(f"deploy/{path.name}" for path in sorted((ROOT / "yolorknn/deploy").glob("*.py"))),
)
PLACES = {"there is no model file", "is a training checkpoint", "has suffix", "is a folder", "no_connection"}
"""Of open_backends: said on any machine, and of what the user typed."""


@pytest.mark.parametrize("file", SAYING)
def test_every_message_is_explained(file: str) -> None:
    explained = TEXT.partition("## What the board says")[2]
    for call in calls(file, r"\w+Error"):
        pieces = fragments(call)
        if any(piece.startswith(place) for piece in pieces for place in PLACES) or not "".join(pieces):
            continue
        long = [piece for piece in pieces if len(piece.split()) >= 3] or [max(pieces, key=len)]
        assert any(piece in explained for piece in long), (file, call.lineno, long)


def test_every_refusal_of_ssh_is_explained() -> None:
    from yolorknn.deploy.ssh import _REFUSALS

    for _, sentence in _REFUSALS:
        pieces = [piece.strip() for piece in re.split(r"[,;:]|\{\w+\}|'", sentence)]
        assert any(piece in TEXT for piece in pieces if len(piece.split()) >= 3), sentence
