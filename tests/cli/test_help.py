"""What `--help` says: every command, every option, every sentence about one."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from yolorknn.cli.app import app

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def without_spaces(text: str) -> str:
    return "".join(text.split())


def test_the_commands() -> None:
    """In the order in which a user comes to need them."""
    assert list(COMMANDS) == [
        "calibrate",
        "export",
        "build",
        "analyze",
        "val",
        "deploy",
        "detect",
        "info",
        "doctor",
        "bench",
    ]
    shown = CliRunner().invoke(app, ["--help"])
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0 and shown.stderr == ""
    for name, command in COMMANDS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert (command.help or "").startswith(line.split(maxsplit=1)[1].rstrip("."))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_and_explains_every_option(name: str) -> None:
    command = COMMANDS[name]
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0 and shown.stderr == ""
    assert CliRunner().invoke(app, [name, "-h"]).stdout == shown.stdout
    text = without_spaces(shown.stdout)
    assert command.help and without_spaces(command.help) in text
    for param in command.params:
        if param.param_type_name == "argument":
            assert param.metavar.strip("{}.") in text
            continue
        assert param.help and without_spaces(param.help) in text, param.name
        for word in (*param.opts, *param.secondary_opts):
            assert word in text


def test_no_command_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2 and "Commands:" in shown.stderr + shown.stdout
