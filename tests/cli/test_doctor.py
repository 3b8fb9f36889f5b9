from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.commands import Recorder, misused, refused, replace_function, run
from yolorknn.cli.app import app
from yolorknn.doctor.machine import Finding
from yolorknn.errors import ModelError

FINE = Finding("chip", "ok", "Radxa ROCK 5B: rk3588, 3 NPU cores")
SLOW = Finding("governor", "warning", "the governor is 'ondemand' [x]", "echo performance | sudo tee y")
WRONG = Finding("driver", "problem", "0.8.2 is too old", "sudo apt upgrade")


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.doctor.examine.examine", [FINE, SLOW])


def test_what_it_passes_on(examine: Recorder) -> None:
    done = run("doctor")
    assert examine.call == {"model": None}
    assert done.stderr == "" and done.stdout.splitlines() == [
        "ok       chip: Radxa ROCK 5B: rk3588, 3 NPU cores",
        "warning  the governor is 'ondemand' [x]",
        "         fix: echo performance | sudo tee y",
    ]


@pytest.mark.parametrize("option", ["-m", "--model"])
def test_every_option(examine: Recorder, option: str) -> None:
    done = run("doctor", option, "m.rknn", "--json")
    assert examine.call == {"model": Path("m.rknn")}
    assert json.loads(done.stdout) == [
        {"check": "chip", "status": "ok", "text": FINE.text, "fix": ""},
        {"check": "governor", "status": "warning", "text": SLOW.text, "fix": SLOW.fix},
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_problem_is_status_1(examine: Recorder, options: list[str]) -> None:
    examine.answer = [FINE, WRONG]
    done = CliRunner().invoke(app, ["doctor", *options])
    assert done.exit_code == 1 and done.stderr == ""
    if options:
        assert [row["status"] for row in json.loads(done.stdout)] == ["ok", "problem"]
    else:
        assert done.stdout.splitlines()[1:] == ["problem  driver: 0.8.2 is too old", "         fix: sudo apt upgrade"]


def test_what_fails_or_is_mistyped(examine: Recorder) -> None:
    assert "no" in misused("doctor", "--modle", "m.rknn").lower() and examine.calls == []
    examine.answer = ModelError("m.rknn is no model")
    assert refused("doctor", "-m", "m.rknn") == "m.rknn is no model"
