"""Commands in this process, with recorders in place of the library's functions, and in one of their own."""

from __future__ import annotations

import contextlib
import inspect
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import ROOT
from yolorknn.cli.app import app
from yolorknn.errors import YolorknnError

BAR = "a bar"
"""What a recorder notes for the `progress` it was given, once it has tried it."""
TOLD = "[1/2] what is told"
"""What a recorder says to the `tell` it was given, and notes for it."""


class Recorder:
    """Stands in for a function: notes what it is called with, by name, and takes only what the real one takes."""

    def __init__(self, real: Any, answer: object) -> None:
        self._signature = inspect.signature(real)
        self.answer: Any = answer
        self.calls: list[dict[str, Any]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = dict(self._signature.bind(*args, **kwargs).arguments)
        if "progress" in given:
            given["progress"]("a stage", 0.5)
            given["progress"] = BAR
        if "tell" in given:
            given["tell"](TOLD)
            given["tell"] = TOLD
        self.calls.append(given)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @property
    def call(self) -> dict[str, Any]:
        """All arguments of the only call."""
        (only,) = self.calls
        return only


@cache
def _import_all() -> None:
    """Import every module: one that is first imported beside a recorder would keep it, in place of what it names."""
    for module in walk_packages([str(ROOT / "yolorknn")], "yolorknn."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError, YolorknnError):  # of an extra that is not installed
                import_module(module.name)


def replace_function(monkeypatch: pytest.MonkeyPatch, name: str, answer: object) -> Recorder:
    """Put a recorder in place of `package.module.function`; it gives `answer`, or raises it."""
    _import_all()
    module, _, function = name.rpartition(".")
    recorder = Recorder(getattr(import_module(module), function), answer)
    monkeypatch.setattr(name, recorder)
    return recorder


def run(*words: object) -> Result:
    """Run a command that ends well."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def refused(*words: object) -> str:
    """Run a command that meets an error a user can meet, of which main() makes status 1; return its sentence."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, YolorknnError) and done.exit_code == 1, done.output
    sentence = str(done.exception)
    assert sentence and "\n" not in sentence
    return sentence


def misused(*words: object) -> str:
    """Run a command that is wrong in itself; return what it says of that, without the usage before it."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 2 and done.stdout == "", done.output
    return " ".join(done.stderr.split()).partition("Error: ")[2]


def yolorknn(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user types it, in a process of its own."""
    command = [sys.executable, "-m", "yolorknn", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)
