"""A model is tried in a process of its own, which it may end."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX, needs_ort
from yolorknn.errors import ModelError
from yolorknn.site import trial
from yolorknn.site.tables import ModelTable

TABLE = ModelTable(DEMO_ONNX, classes=("ring", 0), tile=64)


@needs_ort
def test_a_good_one() -> None:
    asked: list[int] = []
    trial.try_table(TABLE, lambda: asked.append(1))
    assert asked


@needs_ort
def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    for name in ("queue", "contextlib", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\nraise SystemExit('taken from here')\n")
    monkeypatch.chdir(tmp_path)
    trial.try_table(TABLE, lambda: None)
    assert not ran.exists()


@needs_ort
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"file": Path(__file__)}, r"test_trial\.py has suffix"),
        ({"classes": ("none",)}, "the model has no class 'none'"),
    ],
)
def test_a_bad_one(changed: dict[str, object], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        trial.try_table(dataclasses.replace(TABLE, **changed), lambda: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("kill(getpid(), 11)", "ends a process with signal SIGSEGV"),
        ("_exit(3)", "a process that tried it ended with sta"),
    ],
)
def test_one_that_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/usr/bin/env python3\nfrom os import kill, getpid, _exit\n{code}\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(ModelError, match=why):
        trial.try_table(TABLE, lambda: None)


def test_one_that_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 100\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.setattr(trial, "LONGEST", 0.3)
    with pytest.raises(ModelError, match="did not open and run within"):
        trial.try_table(TABLE, lambda: None)
