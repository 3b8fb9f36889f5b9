"""Results as rows of CSV: a row for each object."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.results import NAMES, detections, result, tracked
from yolorknn import Classification
from yolorknn.stream.sinks.csv_rows import COLUMNS, CsvRows
from yolorknn.tasks.task import Wording


@pytest.fixture
def no_thread_is_left() -> None:
    """Nothing here begins one, and looking for them takes longer than the tests."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_csv_has_a_row_for_each_object(tmp_path: Path) -> None:
    two = detections(((1.123, 2, 30.5, 40), 0.91234, 2), ((5, 6, 7, 8), 0.5, 0))
    with closing(CsvRows(tmp_path / "d.csv", Wording(NAMES))) as sink:
        for number, found in enumerate((two, detections(), two)):
            sink.write(result(number, found=found, source="a,b"))
    read = rows(tmp_path / "d.csv")
    assert tuple(read[0]) == COLUMNS and len(read) == 4
    assert list(read[0].values()) == [
        *("1.12", "2.0", "30.5", "40.0", "2", "0.9123", ""),
        *("日本", "unix", "0", "a,b", "1.25"),
    ]
    assert [(row["frame"], row["class_id"]) for row in read] == [("0", "2"), ("0", "0"), ("2", "2"), ("2", "0")]


def test_csv_has_the_columns_of_supervision(tmp_path: Path) -> None:
    """Where a user gives its sink what ours has besides, the tables are one, but for how numbers are written."""
    supervision = pytest.importorskip("supervision")
    found = detections(((1.5, 2, 30.5, 40), 0.5, 2), ((5, 6, 7, 8), 0.25, 0))
    own = {"class_name": ["日本", "person"], "clock": "unix", "frame": 0, "source": "camera0", "timestamp": 1.25}
    with supervision.CSVSink(str(tmp_path / "theirs.csv")) as sink:
        sink.append(found.to_supervision(), custom_data=own)
    with closing(CsvRows(tmp_path / "ours.csv", Wording(NAMES))) as ours:
        ours.write(result(found=found))
    assert rows(tmp_path / "ours.csv") == rows(tmp_path / "theirs.csv")


def test_csv_of_tracked_objects(tmp_path: Path) -> None:
    with closing(CsvRows(tmp_path / "d.csv", Wording(NAMES))) as sink:
        sink.write(result(found=tracked(41)))
    assert [row["tracker_id"] for row in rows(tmp_path / "d.csv")] == ["41"]


def test_csv_of_a_classifier(tmp_path: Path) -> None:
    found = Classification(np.arange(9), np.linspace(0.9, 0.1, 9, dtype=np.float32))
    with closing(CsvRows(tmp_path / "d.csv", Wording({n: f"c{n}" for n in range(9)}))) as sink:
        sink.write(result(found=found))
    read = rows(tmp_path / "d.csv")
    assert [(row["class_name"], row["x_min"]) for row in read] == [(f"c{n}", "") for n in range(5)]


def test_names_that_would_break_a_row_or_be_a_formula(tmp_path: Path) -> None:
    with closing(CsvRows(tmp_path / "d.csv", Wording({2: '=1+\n2\x1b,"'}))) as sink:
        sink.write(result())
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 2
    assert [row["class_name"] for row in rows(tmp_path / "d.csv")] == ["'=1+\\n2\\x1b,\""]
