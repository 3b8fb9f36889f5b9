"""Counts and numbers that outlive a run, also one that was killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from yolorknn.tracking.memory import AGAIN, AHEAD, EVERY, Memory, memory_file


def silent(words: str) -> None:
    raise AssertionError(words)


def test_counts_and_numbers_go_on(tmp_path: Path) -> None:
    path = memory_file(tmp_path / "state", "rtsp://Hof/1")
    with_counts = Memory(path, silent)
    assert [with_counts.number() for _ in range(3)] == [1, 2, 3]
    with_counts.crossed("gate", "in", "person")
    with_counts.entering("door", "日本")
    with_counts.close()
    again = Memory(path, silent)
    assert again.number() == 4 and again.ways("gate") == {"in": {"person": 1}, "out": {}}
    assert again.entered == {"door": {"日本": 1}}


def test_no_two_cameras_have_one_file(tmp_path: Path) -> None:
    names = [
        "door",
        "door.1",
        "door-1",
        "door_1",
        "door 1",
        "door/1",
        "door  1",
        "",
        ".",
        "..",
        "unnamed",
        "\udcff",
        "日本",
    ]
    names += ["x" * 100, "x" * 101, "x" * 102]
    files = [memory_file(tmp_path, name) for name in names]
    files += [memory_file(tmp_path, file.stem.removeprefix("tracking-")) for file in files if "+" in file.stem]
    assert len(set(files)) == len(files) and files[0] == tmp_path / "tracking-door.json"
    assert all(file.parent == tmp_path for file in files)


def test_no_number_is_given_twice_though_a_run_was_killed(tmp_path: Path) -> None:
    """The second of two begins where the killed one had written that it would come to."""
    killed = Memory(tmp_path / "a.json", silent)
    given = [killed.number() for _ in range(AHEAD + 5)]
    assert given == list(range(1, AHEAD + 6))
    shutil.copy(tmp_path / "a.json", tmp_path / "b.json")
    assert Memory(tmp_path / "b.json", silent).number() > given[-1]


def test_counts_are_written_soon_and_not_often(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    memory = Memory(path, silent)
    for number in range(5):
        memory.crossed("gate", "out", "car")
        memory.tick(100.0 + number * EVERY / 10)
        assert json.loads(path.read_text())["lines"]["gate"]["out"] == {"car": 1}
    memory.tick(100.0 + EVERY)
    assert json.loads(path.read_text())["lines"]["gate"]["out"] == {"car": 5}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "[" * 100000, '{"version": 9}'),
        *(f'{{"version": 1, "next": {number}}}' for number in ('"x"', "Infinity", "9" * 30)),
    ],
)
def test_a_file_that_is_none_is_kept_and_told_of(tmp_path: Path, text: str) -> None:
    path, told = tmp_path / "a.json", list[str]()
    path.write_text(text)
    memory = Memory(path, told.append)
    assert len(told) == 1 and "counts begin anew" in told[0] and path.with_suffix(".damaged").read_text() == text
    memory.crossed("gate", "in", "car")
    memory.close()
    assert Memory(path, silent).ways("gate")["in"] == {"car": 1}


def test_of_two_runs_one_has_the_file(tmp_path: Path) -> None:
    told: list[str] = []
    first, second = Memory(tmp_path / "a.json", silent), Memory(tmp_path / "a.json", told.append)
    for memory in (second, first):
        memory.crossed("gate", "in", "car")
    second.close()
    first.close()
    first.crossed("gate", "in", "car")
    first.save()
    assert len(told) == 1 and "is another run's" in told[0]
    assert Memory(tmp_path / "a.json", silent).ways("gate")["in"] == {"car": 1}, (
        "and nothing is written once it is closed"
    )


def test_a_folder_that_cannot_be_written_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    told: list[str] = []
    memory = Memory(tmp_path / "state/a.json", told.append)
    for _ in range(3):
        memory.crossed("gate", "in", "car")
        memory.save()
    memory.close()
    assert len(told) == 1 and "cannot write" in told[0] and memory.ways("gate")["in"] == {"car": 3}


def test_a_disk_that_was_full_for_a_moment_costs_no_count(tmp_path: Path) -> None:
    """A quota, somebody's download: hours later there is room, and weeks of counts are not to be lost with the run."""
    folder, told = tmp_path / "state", list[str]()
    memory = Memory(folder / "a.json", told.append)
    memory.crossed("gate", "in", "car")
    memory.tick(100.0)
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    for number in range(5):
        memory.crossed("gate", "in", "car")
        memory.tick(200.0 + number * EVERY)
    assert len(told) == 1 and "cannot write" in told[0]
    folder.unlink()
    (tmp_path / "away").rename(folder)
    memory.tick(200.0 + AGAIN + EVERY)
    assert len(told) == 2 and "can be written again" in told[1]
    assert json.loads((folder / "a.json").read_text())["lines"]["gate"]["in"] == {"car": 6}
    memory.close()
