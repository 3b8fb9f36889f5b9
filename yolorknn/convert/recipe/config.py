"""yolorknn.toml: the build options that are too rare for the command line."""

from __future__ import annotations

import ast
import difflib
import json
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.errors import BuildError
from yolorknn.files import decoded
from yolorknn.text import reason_of
from yolorknn.toolkits.installed import Installed, choose

# Taken by config(**kwargs) but in no signature; listed by the toolkit in the error that names a wrong one.
UNDOCUMENTED = frozenset(
    (
        "output_optimize",
        "set_op_attr",
        "sram_prefer",
        "nbuf_prefer",
        "check_data",
        "stream_op",
        "disable_rules",
        "enable_rnn_loop",
    )
)
RENAMED = {"quantized_algorithm": "algorithm", "quantized_method": "method", "optimization_level": "optimization_level"}
MOST_BYTES = 1 << 16
MOST_DOTS = 1000
"""In a line: a name of so many parts is read in a time that grows with their square."""
TABLES = ("config", "load")


def read(path: Path, *, toolkit: str | None = None) -> BuildOptions:
    """Read a file of options: the fields of BuildOptions, with the tables [config] and [load].

    Args:
        path: the file, TOML.
        toolkit: version of the rknn-toolkit2 that they are for, which knows the names; see toolkits.installed.choose().

    Raises:
        BuildError: unreadable, no TOML, or a name or value that is wrong; the nearest name is given.
        MissingDependencyError: that toolkit is not installed.
    """
    if sys.version_info >= (3, 11):
        import tomllib as toml
    else:
        import tomli as toml
    try:
        with path.open("rb") as file:
            text = decoded(file.read(MOST_BYTES + 1))
        if len(text) > MOST_BYTES:
            raise BuildError(f"{path} has more than {MOST_BYTES >> 10} kB: it is no file of options")
        if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
            raise BuildError(f"{path} has a line with more than {MOST_DOTS} dots: it is no file of options")
        fields = toml.loads(text)
        json.dumps(fields)  # as they are recorded in the .rknn
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as exc:
        raise BuildError(f"cannot read the options in {path}: {reason_of(exc)}") from exc
    try:
        return from_dict(fields, toolkit=toolkit)
    except BuildError as exc:
        raise BuildError(f"{path}: {exc}") from exc


def from_dict(fields: Mapping[str, Any], *, toolkit: str | None = None) -> BuildOptions:
    """Return the options in a dict of the shape of yolorknn.toml; see read().

    Raises:
        BuildError: a name or value is wrong; the nearest name is given.
        MissingDependencyError: that toolkit is not installed.
    """
    check_names(fields, BuildOptions.__dataclass_fields__.keys(), where="among the build options")
    values = dict(fields)
    for table in TABLES:
        if not isinstance(values.get(table, {}), Mapping):
            raise BuildError(f"{table} = {values[table]!r} is not a table: write [{table}] and the options below it")
    config = dict(values.get("config", {}))
    check_names(config, {*parameters("config", choose(toolkit)), *UNDOCUMENTED}, where="in [config]")
    for theirs, ours in RENAMED.items():
        if theirs in config:
            if ours in fields:
                raise BuildError(f"{ours} and config's {theirs} are the same: leave one out")
            values[ours] = config.pop(theirs)
    values["config"] = config
    return BuildOptions.parse(values)


def check_names(given: Collection[str], known: Collection[str], *, where: str) -> None:
    """Refuse a name that is not known.

    Raises:
        BuildError: naming the nearest.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise BuildError(f"there is no '{name}' {where}: did you mean '{near[0]}'?")


def parameters(call: str, toolkit: Installed) -> tuple[str, ...]:
    """Return the parameters of a method of a toolkit's RKNN, read from its source: importing it takes seconds.

    Raises:
        BuildError: it has no such method.
    """
    source = toolkit.packages / "rknn/api/rknn.py"
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == call:
            return tuple(argument.arg for argument in node.args.args[1:])
    raise BuildError(f"rknn-toolkit2 {toolkit.version} has no {call}()")
