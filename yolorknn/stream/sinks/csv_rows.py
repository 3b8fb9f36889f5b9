"""Results as rows of a CSV file, one for each object."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yolorknn.stream.result import Result, Words, wording_of
from yolorknn.stream.sinks.line_file import LineFile, Rotation
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.classify import TOP
from yolorknn.tasks.detections import Detections
from yolorknn.text import printable

COLUMNS = (
    *("x_min", "y_min", "x_max", "y_max", "class_id", "confidence", "tracker_id"),
    *("class_name", "clock", "frame", "source", "timestamp"),
)
"""supervision's, and behind them ours in the order in which its CSVSink has a user's own."""


class CsvRows:
    """Writes a row for each object, and of a classifier for each of the most probable classes; corners are empty then.

    A frame's rows are written at once. A field is empty where there is nothing: tracker_id without a tracker.

    Raises:
        OutputError: the file cannot be written, or appended to as it has other columns.
    """

    def __init__(self, path: Path, words: Words, *, append: bool = False, rotation: Rotation | None = None) -> None:
        """Open the file; see JsonLines. `words` have the names of the classes."""
        self._words = words
        self._file = LineFile(path, append=append, rotation=rotation, header=_line(COLUMNS), moment=_moment)

    def write(self, result: Result[Any]) -> None:
        names = wording_of(self._words, result).names
        rows = [
            (*corners, class_id, confidence, tracker, _safe(names[class_id]), *_frame(result))
            for corners, class_id, confidence, tracker in _objects(result.detections)
        ]
        if rows:
            self._file.write(b"".join(map(_line, rows)))

    def close(self) -> None:
        self._file.close()


def _safe(name: str) -> str:
    """Return a name in one line, and so that no spreadsheet takes it for a formula."""
    name = printable(name)
    return f"'{name}" if name[:1] in "=+-@" else name


def _objects(found: Classification | Detections) -> list[tuple[tuple[object, ...], int, float, object]]:
    if isinstance(found, Classification):
        return [(("",) * 4, class_id, round(confidence, 4), "") for class_id, confidence in found.top(TOP)]
    trackers: Sequence[object] = [""] * len(found) if found.tracker_id is None else found.tracker_id.tolist()
    return [
        (tuple(round(float(side), 2) for side in xyxy), class_id, round(confidence, 4), tracker)
        for (xyxy, confidence, class_id), tracker in zip(found, trackers, strict=True)
    ]


def _frame(result: Result[Any]) -> tuple[object, ...]:
    return (result.clock, result.index, printable(result.source), round(result.timestamp, 3))


def _line(values: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8", "replace")


def _moment(line: bytes) -> float | None:
    """Return when a row of a camera was; None of a video, and of a row that others wrote."""
    with contextlib.suppress(ValueError, csv.Error, StopIteration):
        row = dict(zip(COLUMNS, next(csv.reader([line.decode()])), strict=False))
        return float(row.get("timestamp", "")) if row.get("clock") == "unix" else None
    return None
