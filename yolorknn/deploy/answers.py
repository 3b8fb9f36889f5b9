"""What a board answers, checked: it may be any program's output, or that of an earlier or later yolorknn."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np

from yolorknn.deploy.ssh import Remote
from yolorknn.doctor.machine import Finding, Status
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.task import Task
from yolorknn.text import printable

MOST_FINDINGS = 100


@contextmanager
def answered(remote: Remote, answer: object) -> Iterator[None]:
    """Turn what an answer of another form does to its reader into a DeployError.

    Raises:
        DeployError: it is not of the form that was asked for.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise remote.nonsense(answer) from exc


def text_of(value: Any) -> str:
    """Return a text that can stand in a command, a unit's line, and on a terminal.

    Raises:
        ValueError: it is another thing, or has line ends or other control characters.
    """
    if not isinstance(value, str) or len(value) > 4096 or printable(value) != value:
        raise ValueError("no plain text")
    return value


def path_of(value: Any) -> str:
    """Return an absolute path; see text_of()."""
    if not posixpath.isabs(text_of(value)):
        raise ValueError("no absolute path")
    return str(value)


def user_of(value: Any) -> str:
    """Return the name of a user or group as systemd takes it.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?", text_of(value), re.ASCII):
        raise ValueError("no user")
    return str(value)


def digest_of(value: Any) -> str:
    """Return a sha256 in hex digits.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", text_of(value)):
        raise ValueError("no sha256")
    return str(value)


def version_of(value: Any) -> tuple[int, int]:
    """Return the first two numbers of a Python's version.

    Raises:
        ValueError: they are none.
    """
    major, minor = value
    if not all(type(number) is int and 0 <= number < 1000 for number in (major, minor)):
        raise ValueError("no version")
    return major, minor


def findings_of(stdout: str) -> tuple[Finding, ...]:
    """Return what a board's doctor printed as JSON, after whatever else there is.

    Raises:
        LookupError, TypeError, ValueError: it is not such JSON.
    """
    rows = json.loads(stdout[stdout.index("[\n") :])
    if len(rows) > MOST_FINDINGS or not all(row["status"] in get_args(Status) for row in rows):
        raise ValueError("no findings")
    plain: list[dict[str, Any]] = [{name: printable(text) for name, text in row.items()} for row in rows]
    return tuple(Finding(**row) for row in plain)


def found_in(line: str, task: Task[Any]) -> Detections | Classification:
    """Return what a line of JSON that a board's detect printed says of an image.

    Raises:
        KeyError, TypeError, ValueError, OverflowError, RecursionError: it is not such JSON.
    """
    with np.errstate(over="ignore"):  # of what is beyond float32, and infinite then
        found: Detections | Classification = task.read(json.loads(line)[task.key])
    if isinstance(found, Classification) and not len(found):
        raise ValueError("no classes")
    arrays = found.arrays().values() if isinstance(found, Detections) else [found.confidence]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("no numbers")
    return found
