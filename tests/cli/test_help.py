"""What `--help` says: every command, every option, every sentence about one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from yolorknn.cli.app import app
from yolorknn.cli.help import EXAMPLES, GROUPS

COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def without_spaces(text: str) -> str:
    return "".join(text.split())


def test_the_commands() -> None:
    """In the order in which a user comes to need them."""
    assert list(COMMANDS) == [
        "calibrate",
        "export",
        "build",
        "precompile",
        "sklearn",
        "analyze",
        "compare",
        "val",
        "deploy",
        "fleet",
        "detect",
        "watch",
        "run",
        "mqtt",
        "node",
        "info",
        "doctor",
        "bench",
        "toolkit",
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


def test_every_command_is_in_a_group_and_has_examples() -> None:
    """Each example is a command line that parses."""
    assert [name for names in GROUPS.values() for name in names] == list(COMMANDS) and {
        "",
        *COMMANDS,
    } == EXAMPLES.keys()
    for name, examples in EXAMPLES.items():
        shown = CliRunner().invoke(app, [*([name] if name else []), "--help"]).stdout
        for example in examples:
            words = shlex.split(example)
            assert f"yolorknn {example}" in shown and (name or words[0]) == words[0]
            COMMANDS[words[0]].make_context(words[0], words[1:])


def test_completion(tmp_path: Path) -> None:
    """Of commands and options, as a shell asks for it."""
    for words, wanted in (("yolorknn de", {"deploy", "detect"}), ("yolorknn build --dt", {"--dtype"})):
        asked = {"_YOLORKNN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        code = "import sys; sys.argv = ['yolorknn']; from yolorknn.__main__ import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
        )
        assert set(done.stdout.split()) == wanted, done


def test_no_command_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2 and "Commands:" in shown.stderr + shown.stdout
