"""docs/board.md: it explains every finding and message that a board can give."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from yolorknn.doctor.container import DOCKER, KUBERNETES, PODMAN
from yolorknn.doctor.library import LIBRARY, get_library

TEXT = (ROOT / "docs/board.md").read_text()


def test_what_the_doctor_types_is_what_the_page_types() -> None:
    assert get_library("2.3.2") in TEXT
    for kind in (DOCKER, PODMAN, KUBERNETES):
        mounted = kind.mount.format(path=LIBRARY)
        device = kind.device.format(path="/dev/dri").partition(" and ")[0]
        group = (kind.group or "").format(group=105)
        assert all(f"`{option}`" in TEXT for option in (kind.device_tree, mounted, device, group))
    assert "sudo apt install linux-image-vendor-rk35xx linux-dtb-vendor-rk35xx && sudo reboot" in TEXT


def calls(file: str, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse((ROOT / "yolorknn" / file).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and re.fullmatch(name, node.func.id):
            yield node


def test_every_check_of_the_doctor_is_explained() -> None:
    names = {
        str(call.args[0].value)
        for file in ("board", "container", "device", "library", "speed", "checks")
        for call in calls(f"doctor/{file}.py", "Finding")
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    rows = re.findall(r"^\| ([\w -]+) \| ", TEXT.partition("## What the doctor")[2].partition("## ")[0], re.MULTILINE)
    assert set(rows) - {"Check", "---"} == names and len(names) == 14


def fragments(call: ast.Call) -> list[str]:
    """Return the literal runs of words of a message, between what is filled in and between its clauses."""
    text = ""
    for node in call.args[:1]:
        for part in node.values if isinstance(node, ast.JoinedStr) else [node]:
            text += part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "\0"
    return [piece.strip(" '") for piece in re.split(r"[\0:;(),]", text)]


SAYING = (
    "runtime/cores.py",
    "runtime/rknn_api.py",
    "runtime/rknn_said.py",
    "runtime/rknnlite.py",
    "runtime/rknnrt.py",
    "runtime/recovering.py",
    "runtime/backend.py",
    "predict/open_model.py",
    # what answers.py raises says why in a board's nonsense, and no user meets it
    *(f"deploy/{path.name}" for path in sorted((ROOT / "yolorknn/deploy").glob("*.py")) if path.stem != "answers"),
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
    from yolorknn.deploy.refusals import REFUSALS

    for _, sentence in REFUSALS:
        pieces = [piece.strip() for piece in re.split(r"[,;:]|\{\w+\}|'", sentence)]
        assert any(piece in TEXT for piece in pieces if len(piece.split()) >= 3), sentence
