"""requirements-dev.lock: one exact version of a package a line, from nowhere but PyPI, that pyproject.toml allows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

tomllib: Any = pytest.importorskip("tomllib", reason="Python 3.11, of which the lock is")
LOCK = (ROOT / "requirements-dev.lock").read_text().splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted() -> list[Requirement]:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["onnx"], *extras["export"], *extras["val"], *groups["docs"]]
    texts += [entry for entry in groups["dev"] if isinstance(entry, str)]
    return [Requirement(text) for text in texts]


def test_a_line_is_a_name_and_a_version() -> None:
    for line in LOCK:
        assert re.fullmatch(r"[\w.-]+==[\d.]+(?:\.?(?:post|rc|a|b|dev)\d+)?", line), line
    assert sorted(LOCK, key=str.lower) == LOCK and len({line.partition("==")[0].lower() for line in LOCK}) == len(LOCK)


def test_it_has_what_the_project_asks_for() -> None:
    locked = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in LOCK)}
    environment = {"python_version": "3.11", "platform_machine": "x86_64", "sys_platform": "linux"}
    for requirement in wanted():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert locked[canonicalize_name(requirement.name)] in requirement.specifier, requirement
