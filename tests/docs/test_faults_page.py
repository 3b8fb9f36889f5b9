"""docs/faults.md: each of its rows names a test that is there."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs/faults.md"
COUNT = 34
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)


@functools.cache
def functions_of(file: str) -> set[str]:
    """Return the names of a file's tests."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_fault_has_its_row() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, COUNT + 1))
    assert len(re.findall(r"^\| \d", PAGE.read_text(), re.MULTILINE)) == COUNT, "and none that is not read"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_tests_are_there(row: tuple[str, str, str, str]) -> None:
    *_, shown_by = row
    named = re.findall(r"`([^`]+)`", shown_by)
    assert 1 <= len(named) <= 2
    for name in named:
        file, mark, function = name.partition("::")
        assert mark and function in functions_of(file), name


def test_a_test_that_is_renamed_is_missed() -> None:
    """The names are read from the code, not from its text."""
    assert "test_every_fault_has_its_row" in functions_of("docs/test_faults_page.py")
    assert "test_no_such" not in functions_of("docs/test_faults_page.py")
