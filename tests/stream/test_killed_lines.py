"""Lines in files after a kill: those with an end are whole, and none that was told of is missing."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fakes.killed import killed
from yolorknn.errors import OutputError
from yolorknn.stream.sinks.csv_rows import COLUMNS
from yolorknn.stream.sinks.line_file import LineFile

WRITING = """
import itertools, sys
from pathlib import Path
from tests.fakes.results import NAMES, detections, result
from yolorknn.stream.sinks.csv_rows import CsvRows
from yolorknn.stream.sinks.json_lines import JsonLines
from yolorknn.stream.sinks.line_file import Rotation
from yolorknn.tasks.task import Wording
folder, rotation = Path(sys.argv[1]), Rotation(size=300_000, keep=1000)
sinks = [kind(folder / name, Wording(NAMES), append=True, rotation=rotation)
         for kind, name in ((JsonLines, "d.jsonl"), (CsvRows, "d.csv"))]
found = detections(*[((1, 2, 3, 4), 0.5, 0)] * 200)
for number in itertools.count(int(sys.argv[2])):
    for sink in sinks:
        sink.write(result(number, found=found))
    print(number, flush=True)
"""


def kill_while_writing(folder: Path, first: int, lines: int, delay: float) -> int:
    """Kill a process that writes, some time after so many results; return the number of the last that it told of."""
    rest = killed(WRITING, str(folder), str(first), lines=lines, delay=delay)
    return int(rest[-1]) if rest and rest[-1].isdigit() else first + lines - 1


def check_whole(folder: Path, last: int, first: int = 0) -> None:
    """Every line with an end is whole, and all that were told of are there, in order."""
    for name in ("d.jsonl", "d.csv"):
        parts = sorted(
            folder.glob(f"{name}*"), key=lambda part: -int(part.suffix[1:]) if part.suffix[1:].isdigit() else 0
        )
        numbers: list[int] = []
        for part in parts:
            text = part.read_bytes()
            lines = text[: text.rfind(b"\n") + 1].decode().splitlines()
            if name == "d.jsonl":
                read = [json.loads(line) for line in lines]
                assert all(len(line["detections"]) == 200 for line in read)
                numbers += [line["frame"] for line in read]
            else:
                table = list(csv.reader(lines))
                assert all(len(row) == len(COLUMNS) for row in table)
                numbers += [int(row[9]) for row in table[1:]]
        assert sorted(numbers) == numbers and set(numbers) >= set(range(first, last + 1)), name


def test_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    """And the next one appends to them."""
    for first, lines, delay in ((0, 20, 0.01), (1000, 3, 0.0)):
        check_whole(tmp_path, kill_while_writing(tmp_path, first, lines, delay), first)


@pytest.mark.exhaustive
def test_whole_lines_after_each_of_100_kills(tmp_path: Path) -> None:
    for seed in range(100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check_whole(folder, kill_while_writing(folder, 0, 1 + seed % 30, random.Random(seed).random() * 0.05))


BEGINNING = """
import sys
from pathlib import Path
from yolorknn.stream.sinks.line_file import LineFile
file = LineFile(Path(sys.argv[1]))
file.write(b"1\\n")
print(0, flush=True)
sys.stdin.read()
"""


def test_what_another_process_writes_is_not_begun_anew(tmp_path: Path) -> None:
    """Of two runs with one file the second one took away what the first had written, and both ended well."""
    path = tmp_path / "d.jsonl"
    command = [sys.executable, "-c", BEGINNING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as other:
        assert other.stdout is not None and other.stdout.readline() == b"0\n"
        with pytest.raises(OutputError, match=r"another yolorknn writes .*d.jsonl: give this one another file"):
            LineFile(path)
        with closing(LineFile(path, append=True)) as beside:
            beside.write(b"2\n")
        other.communicate()
    assert path.read_bytes() == b"1\n2\n"
    with closing(LineFile(path)), closing(LineFile(path)) as again:  # as a cell of a notebook is run again
        again.write(b"3\n")
    assert path.read_bytes() == b"3\n"
