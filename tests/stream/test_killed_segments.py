"""Segments after a kill: all but the last seconds of the open one are there, and play."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fakes.killed import killed
from tests.fakes.recorded import names, times
from tests.fakes.results import NAMES
from yolorknn.stream.sinks.segments import Segments

RECORDING = """
import itertools, sys
import numpy as np
from pathlib import Path
from tests.fakes.results import NAMES, result
from tests.fakes.waiting import until
from yolorknn.stream.sinks import queued
from yolorknn.stream.sinks.queued import Queued
from yolorknn.stream.sinks.segments import Segments
sink = Segments(Path(sys.argv[1]), name="camera0", fps=25, names=NAMES, seconds=6)
noise = np.random.default_rng(0).integers(0, 200, (120, 160, 3)).astype(np.uint8)
for number in itertools.count():
    given = result(number, size=(120, 160), timestamp=1764158400.0 + number / 25)
    given.frame[:] = np.roll(noise, number, 1)
    sink.write(given)
    print(number, flush=True)
"""


def kill_while_recording(folder: Path, frames: int, delay: float) -> None:
    """Kill a process that records, and check what it leaves: also what the next run makes of it."""
    told = [int(line) for line in killed(RECORDING, str(folder), lines=frames, delay=delay) if line.isdigit()]
    last = told[-1] if told else frames - 1
    *closed, newest = names(folder)
    assert all(".part" not in name for name in closed)
    assert [len(times(folder / name)) for name in closed] == [150] * len(closed)
    there = 150 * len(closed) + len(times(folder / newest))
    assert there >= last + 1 - 2 * 25, "two seconds of the open one"
    os.truncate(folder / newest, max(1, (folder / newest).stat().st_size - 100))  # as a power cut leaves it
    Segments(folder, name="camera0", fps=25, names=NAMES).close()
    assert not [name for name in names(folder) if ".part" in name]
    assert all(times(folder / name) for name in names(folder)), "every one plays"


@pytest.mark.parametrize(("frames", "delay"), [(3, 0.0), (170, 0.005)])
def test_a_killed_process_leaves_its_segments(tmp_path: Path, frames: int, delay: float) -> None:
    pytest.importorskip("av")
    kill_while_recording(tmp_path, frames, delay)


@pytest.mark.exhaustive
def test_segments_after_each_of_100_kills(tmp_path: Path) -> None:
    pytest.importorskip("av")
    for seed in range(100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        chosen = random.Random(seed)
        kill_while_recording(folder, chosen.randrange(1, 400), chosen.random() * 0.05)
