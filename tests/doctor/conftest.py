"""The tree of a good board, to be spoilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.trees import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")
