"""A picture of numbers, drawn by matplotlib where it is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolorknn.errors import MissingDependencyError
from yolorknn.files import atomic


@contextmanager
def drawing(path: Path, title: str, *, columns: int, size: tuple[float, float]) -> Iterator[Sequence[Any]]:
    """Yield matplotlib's axes, side by side, to be drawn on, and write what is on them.

    Args:
        path: the picture; its suffix says its format.
        title: above the axes.
        columns: how many axes.
        size: width and height of all, in inches.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingDependencyError("matplotlib", "pc", "a plot") from exc
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, columns)
    figure.suptitle(title)
    yield axes
    with atomic(path) as temporary:
        figure.savefig(temporary)
