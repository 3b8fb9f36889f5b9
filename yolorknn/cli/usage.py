"""What is said of a command that is wrong in itself: the usage, the error, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import typer

from yolorknn.text import shown

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Base of all such errors; Typer exports none but BadParameter."""

_MEANT = {
    "int8": "i8", "uint8": "i8", "w8a8": "i8", "asymmetric_quantized-8": "i8",
    "float16": "fp16", "f16": "fp16", "half": "fp16", "fp": "fp16", "float": "fp16", "float32": "fp16", "fp32": "fp16",
    "kl": "kl_divergence", "kld": "kl_divergence", "minmax": "normal", "average": "mean",
}  # fmt: skip
"""Values by the names that others give them."""
_COMMANDS = {
    "predict": "detect", "infer": "detect", "run": "detect", "track": "detect", "convert": "build", "quantize": "build",
    "validate": "val", "eval": "val", "benchmark": "bench", "profile": "bench", "inspect": "info", "show": "info",
    "check": "doctor", "install": "deploy",
}  # fmt: skip
"""Commands by the names that others give them."""

_TOO_MANY = re.compile(r"unexpected extra argument(?:s|\(s\))? \((.*)\)", re.DOTALL)
_FEW = 3
_REWORDED = {"Choose from:\n\t": "Choose from: ", ",\n\t": ", ", "Value error, ": ""}
"""What stands in messages of the parser, and how it is said on one line."""


@contextmanager
def erring_in(context: Any) -> Iterator[None]:
    """Say of which command an error is that does not: that of an option without its value, or with one too many."""
    try:
        yield
    except UsageError as exc:
        if getattr(exc, "ctx", None) is None:
            vars(exc)["ctx"] = context
        raise


def usage_text(error: Exception) -> str:
    """Return the lines for stderr."""
    context: Any = getattr(error, "ctx", None)
    text: str = getattr(error, "format_message", lambda: str(error))()
    if context is None or text.startswith("Usage: "):  # the help, where there is not even a command
        return shown(text, lines=True)
    told = text
    for theirs, ours in _REWORDED.items():
        told = told.replace(theirs, ours)
    message = shown(_shortened(told)) + suggestion(error, text)
    hint = f"Try '{context.command_path} {context.help_option_names[0]}' for help."
    return f"{context.get_usage()}\n{hint}\n\nError: {message}"


def _shortened(text: str) -> str:
    """Return a message with a few of the words that are too many: a shell makes hundreds of a glob."""
    found = _TOO_MANY.search(text)
    words = found[1].split() if found else []
    if found is None or len(words) <= _FEW:
        return text
    return text.replace(found[1], f"{' '.join(words[:_FEW])} and {len(words) - _FEW} others")


def suggestion(error: Exception, message: str) -> str:
    """Return what was probably meant, to be put behind the message; empty where nothing is near."""
    option = getattr(error, "option_name", None)
    if option is not None:
        return _owners(getattr(error, "ctx", None), str(option))
    if (found := _TOO_MANY.search(message)) and getattr(getattr(error, "ctx", None), "info_name", "") == "detect":
        return f". For several images give their folder, or quote the glob as '{_glob(found[1].split()[-1])}'"
    if found := re.search(r"No such command '([^']*)'", message):
        meant = _COMMANDS.get(found[1].lower())
    elif found := re.search(r"'([^']*)' is not one of (.+)", message):
        known = re.findall(r"'(.+?)'", found[2])
        meant = _MEANT.get(found[1].lower())
        if meant not in known:
            meant = next(iter(difflib.get_close_matches(found[1].lower(), known, n=1, cutoff=0.4)), None)
    else:
        return ""
    return f" Did you mean '{meant}'?" if meant else ""


def _glob(name: str) -> str:
    """Return the glob that the shell may have made a name of."""
    path = PurePath(name)
    return str(path.with_name(f"*{path.suffix}")) if path.name else "*"


def _owners(context: Any, option: str) -> str:
    """Return the commands that have an option, or one nearly so called, which this command has not."""
    commands = getattr(context.find_root().command, "commands", {})
    names = {
        name: [word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)]
        for name, command in commands.items()
    }
    own = [name for name, command in commands.items() if command is context.command]
    if own and difflib.get_close_matches(option, names[own[0]], n=1, cutoff=0.75):
        return ""  # it is mistyped, and the message has the nearest
    having = [name for name, words in names.items() if option in words and name not in own]
    if not having:
        return ""
    listed = ", ".join(f"'yolorknn {name}'" for name in having[:4])
    return f"; it is an option of {listed}{' and others' if len(having) > 4 else ''}"
