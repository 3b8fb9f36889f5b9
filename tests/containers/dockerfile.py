"""The Dockerfile's instructions, by stage."""

from __future__ import annotations

import json
import re

from tests.conftest import ROOT

FOLDER = ROOT / "containers"


def instructions(stage: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage after its FROM, each with what it is given, lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", (FOLDER / "Dockerfile").read_text()))
    stages: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in filter(None, text.splitlines()):
        word, _, given = line.partition(" ")
        if word == "FROM":
            name = given.partition(" AS ")[2]
            stages[name] = []
        elif name or word != "ARG":
            stages[name].append((word, given))
    return stages[stage]


def given_to(stage: str, word: str) -> list[str]:
    """Return what all instructions of a kind are given."""
    return [given for name, given in instructions(stage) if name == word]


def started() -> list[str]:
    """Return the command that a container runs, as a board has it."""
    entry, command = (json.loads(given_to("board", word)[-1]) for word in ("ENTRYPOINT", "CMD"))
    return [*entry, *command]


def asked() -> list[str]:
    """Return the command of the health check."""
    return list(json.loads(given_to("board", "HEALTHCHECK")[0].partition(" CMD ")[2]))
