"""docs/architecture.md draws the house that stands: its floors are the contract's, its files are there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import ROOT
from yolorknn.convert.export.heads import HEADS
from yolorknn.tasks.known import TASKS

TEXT = (ROOT / "docs/architecture.md").read_text()
tomllib: Any = pytest.importorskip("tomllib", reason="Python 3.11")


def test_the_floors_are_the_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = [contract["layers"] for contract in contracts if contract["name"].startswith("Floors")]
    (drawn,) = re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert drawn.split("\n")[:-1] == floors


def test_every_room_is_in_the_table() -> None:
    table = TEXT.partition("| Room |")[2].partition("\n\n")[0]
    rooms = {f"{path.name}/" for path in (ROOT / "yolorknn").iterdir() if (path / "__init__.py").exists()}
    files = {path.name for path in (ROOT / "yolorknn").glob("*.py")} - {"__init__.py", "__main__.py"}
    first = {name for row in table.splitlines() for name in re.findall(r"`([\w./]+)`", row.split("|")[1])}
    assert first == rooms | files


def test_every_task_has_its_row() -> None:
    table = TEXT.partition("| Task |")[2].partition("\n\n")[0]
    named = {(row.split("`")[1], row.split("`")[3]) for row in table.splitlines() if "`" in row}
    heads = {head.task: type(head).__module__ for head in HEADS}
    there = {(type(task).__module__, heads[name]) for name, task in TASKS.items()}
    files = {tuple(module.removeprefix("yolorknn.").replace(".", "/") + ".py" for module in pair) for pair in there}
    assert named == files


def test_the_files_it_names_are_there() -> None:
    names = set(re.findall(r"`([\w/.]+\.(?:py|toml|sh|md)|[\w/]+/)`", TEXT))
    assert len(names) > 30
    for name in names:
        places = (ROOT, ROOT / "yolorknn", ROOT / "yolorknn/convert", ROOT / "yolorknn/stream")
        assert any((place / name).exists() for place in places), name
    for name in re.findall(r"`([A-Z]\w+)`", TEXT):
        assert any(re.search(rf"\bclass {name}\b", path.read_text()) for path in (ROOT / "yolorknn").rglob("*.py")), (
            name
        )
