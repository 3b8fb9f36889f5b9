"""The issue template asks for what the doctor prints, in the words that the command has."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT


def test_it_asks_for_the_doctor() -> None:
    yaml = pytest.importorskip("yaml")
    (template,) = (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")
    form = yaml.safe_load(template.read_text())
    asked = {field["id"]: field for field in form["body"]}
    assert form["name"] and form["description"]
    assert asked["doctor"]["attributes"]["label"] == "yolorknn doctor --json"
    assert asked["doctor"]["validations"]["required"]
