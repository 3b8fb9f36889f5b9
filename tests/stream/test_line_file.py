"""Files of lines: whole at any moment, whatever was cut off or is full, and rotated without losing a line."""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.results import NAMES, result
from yolorknn.errors import OutputError
from yolorknn.stream.result import Clock
from yolorknn.stream.sinks.csv_rows import COLUMNS, CsvRows
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.line_file import LineFile, Rotation
from yolorknn.tasks.task import Wording


@pytest.fixture
def no_thread_is_left() -> None:
    """Nothing here begins one, and looking for them takes longer than the tests."""


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_rotation_by_size(tmp_path: Path) -> None:
    with closing(LineFile(tmp_path / "d.jsonl", rotation=Rotation(size=10, keep=2))) as lines:
        for number in range(9):
            lines.write(b"%04d\n" % number)
    assert files(tmp_path) == {"d.jsonl": "0008\n", "d.jsonl.1": "0006\n0007\n", "d.jsonl.2": "0004\n0005\n"}


def test_rotation_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("yolorknn.stream.sinks.line_file.time.monotonic", lambda: now[0])
    with closing(LineFile(tmp_path / "d.csv", header=b"head\n", rotation=Rotation(age=60, keep=9))) as lines:
        for number in range(5):
            lines.write(b"%d\n" % number)
            now[0] += 30
        now[0] += 1000
    assert files(tmp_path) == {"d.csv": "head\n4\n", "d.csv.1": "head\n2\n3\n", "d.csv.2": "head\n0\n1\n"}


@pytest.mark.parametrize("kind", [JsonLines, CsvRows])
@pytest.mark.parametrize(("clock", "count"), [("unix", 2), ("video", 1)])
def test_a_file_grows_old_over_runs(tmp_path: Path, kind: type[CsvRows | JsonLines], clock: Clock, count: int) -> None:
    """Or one that is begun anew each night would never have a day."""
    for past in (90, 50, 0):
        with closing(kind(tmp_path / "d", Wording(NAMES), append=True, rotation=Rotation(age=60))) as lines:
            lines.write(result(timestamp=time.time() - past, clock=clock))
    assert len(files(tmp_path)) == count


def test_nothing_kept_and_a_line_larger_than_a_file(tmp_path: Path) -> None:
    with closing(LineFile(tmp_path / "d", rotation=Rotation(size=4, keep=0))) as lines:
        for text in (b"1\n", b"a long one\n", b"3\n"):
            lines.write(text)
            assert files(tmp_path) == {"d": text.decode()}


@given(
    sizes=st.lists(st.integers(1, 40), max_size=60),
    size=st.integers(1, 60),
    stops=st.sets(st.integers(0, 59), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_no_line_is_lost_while_all_are_kept(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], size: int, stops: set[int]
) -> None:
    """Also where the program ends and begins again."""
    folder = tmp_path_factory.mktemp("law")
    path, rotation = folder / "d", Rotation(size=size, keep=1000)
    written = [b"x" * (length - 1) + b"\n" for length in sizes]
    lines = LineFile(path, rotation=rotation)
    for number, line in enumerate(written):
        lines.write(line)
        if number in stops:
            lines.close()
            lines = LineFile(path, append=True, rotation=rotation)
    lines.close()
    parts = sorted(folder.iterdir(), key=lambda part: -int(part.suffix[1:] or 0))
    assert b"".join(part.read_bytes() for part in parts) == b"".join(written)
    assert all(part.stat().st_size <= size or part.read_bytes().count(b"\n") == 1 for part in parts)


@pytest.mark.parametrize("torn", ["", "half a li", "x" * 200_000])
def test_a_line_that_was_cut_off_is_removed_before_another_follows(tmp_path: Path, torn: str) -> None:
    (tmp_path / "d").write_text("whole\n" + torn)
    with closing(LineFile(tmp_path / "d", append=True)) as lines:
        lines.write(b"next\n")
    assert files(tmp_path) == {"d": "whole\nnext\n"}


def test_a_full_disk_leaves_no_half_line_and_is_survived(tmp_path: Path) -> None:
    """A limit on the file's size stands in for the disk: the kernel writes a part, and then refuses."""
    lines = LineFile(tmp_path / "d")
    lines.write(b"first\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
        for _ in range(2):
            with pytest.raises(OutputError, match=r"cannot write .*/d: File too large"):
                lines.write(b"x" * 100 + b"\n")
            assert files(tmp_path) == {"d": "first\n"}
        lines.write(b"fits\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    lines.write(b"y" * 100 + b"\n")
    lines.close()
    assert files(tmp_path) == {"d": "first\nfits\n" + "y" * 100 + "\n"}


@pytest.mark.parametrize("how", ["create", "nocreate", "copytruncate", "removed", "folder"])
def test_others_may_rotate_or_remove_it(tmp_path: Path, how: str) -> None:
    """As logrotate does in each of its ways; what is written next is in the file of that name, below its header."""
    folder = tmp_path / "results"
    path, old = folder / "d.csv", tmp_path / "d.csv.old"
    with closing(LineFile(path, append=True, header=b"head\n", rotation=Rotation(size=1000))) as lines:
        lines.write(b"1\n")
        if how == "copytruncate":
            old.write_bytes(path.read_bytes())
            os.truncate(path, 0)
        elif how == "removed":
            path.unlink()
        elif how == "folder":
            path.unlink()
            folder.rmdir()
        else:
            path.rename(old)
        if how == "create":
            path.touch()
        lines.write(b"2\n")
        lines.write(b"3\n")
    assert path.read_bytes() == b"head\n2\n3\n"
    assert how in ("removed", "folder") or old.read_bytes() == b"head\n1\n"


def test_a_file_of_other_columns_is_not_appended_to(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match="has other columns; give another name"):
        CsvRows(tmp_path / "d.csv", Wording(NAMES), append=True)
    assert files(tmp_path) == {"d.csv": "a,b\n1,2\n"}


def _head(count: int) -> bytes:
    return ",".join(COLUMNS).encode()[:count]


@pytest.mark.parametrize("kind", [CsvRows, JsonLines])
@pytest.mark.parametrize(
    "others",
    [
        b"a note\nand no end",
        b"no end",
        b"\0\x01\n\0torn",
        b'{"a": 1}\n{"a"',
        b'{"source": "a.mp4", "data": [',
        b"[1]\n",
        b"{}\n" * 9,
        b"x" * 300_000,
        b"[" * 300_000 + b"\n",
        _head(100) + b",more\n1,2",
        _head(99_999) + b"\r\n1,2",
        b'{"source": "a", "frame": 0, "timestamp": 1}\nnotes of mine\ntorn',
    ],
)
def test_a_file_of_others_stays_as_it_is(kind: type[CsvRows] | type[JsonLines], others: bytes, tmp_path: Path) -> None:
    """Also its last line, whose end is missing, as many editors leave it."""
    path = tmp_path / "notes.txt"
    path.write_bytes(others)
    os.utime(path, (1, 1))
    with pytest.raises(OutputError, match=r"cannot append to .*notes.txt: it has other (columns|lines); give another"):
        kind(path, Wording(NAMES), append=True)
    assert path.read_bytes() == others and path.stat().st_mtime == 1


@pytest.mark.parametrize("kind", [CsvRows, JsonLines])
def test_what_was_cut_off_anywhere_is_gone_on_with(kind: type[CsvRows] | type[JsonLines], tmp_path: Path) -> None:
    """At its first line too, which was being written when the power went."""
    with closing(kind(tmp_path / "whole", Wording(NAMES))) as sink:
        for number in range(3):
            sink.write(result(number, source='a "b".mp4'))
    whole = (tmp_path / "whole").read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in (0, *range(80, len(whole))) if kind is JsonLines else range(len(whole)):
        path = tmp_path / "torn"
        path.write_bytes(whole[:end])
        kind(path, Wording(NAMES), append=True).close()
        kept = lines[: whole[:end].count(b"\n")] or (lines[:1] if kind is CsvRows else [])
        assert path.read_bytes() == b"".join(kept), end


def test_lines_that_another_program_wrote_again_are_appended_to(tmp_path: Path) -> None:
    """As `jq -c` does, which leaves blanks out, and lines from before they had a version."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"frame":0,"source":"a","timestamp":1.5,"detections":[]}\n')
    with closing(JsonLines(path, Wording(NAMES), append=True)) as sink:
        sink.write(result())
    assert path.read_text().count("\n") == 2


def test_pipes_and_devices_are_written_as_they_are(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with closing(LineFile(tmp_path / "pipe", append=True, rotation=Rotation(size=1))) as lines:
        lines.write(b"one\n")
        lines.write(b"two\n")
        assert os.read(reader, 100) == b"one\ntwo\n"
        os.close(reader)
        with pytest.raises(BrokenPipeError):
            lines.write(b"three\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("wrong", [{"size": 0}, {"age": 0.0}, {"age": float("nan")}, {"keep": -1}])
def test_a_rotation_that_is_none(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Rotation(**wrong)  # type: ignore[arg-type]
