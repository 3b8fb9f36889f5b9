"""bench on a board whose NPU has no memory for all contexts, or a core of which hangs: it measures what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.encode import encode_split
from tests.fakes.pictured import CELLS, METADATA
from tests.fakes.rknn_files import write_generic
from tests.fakes.standin import Library, needs_compiler, write_replay
from yolorknn.errors import BackendError
from yolorknn.measure.bench import bench
from yolorknn.measure.bench_any import bench_any

pytestmark = needs_compiler
SAID = r"c has no 2 contexts on each core: rknn_init returned -4 \(RKNN_ERR_MALLOC_FAIL\) .*"


@pytest.fixture
def any_picture(library: Library, tmp_path: Path) -> None:
    library.set(REPLAY=write_replay(tmp_path / "any.bin", {0: encode_split(METADATA, CELLS)}), MS=1)


@pytest.mark.usefixtures("any_picture")
def test_fewer_contexts_are_measured_where_there_is_no_memory_for_more(library: Library, model: Path) -> None:
    library.set(FAIL="rknn_dup_context:-4@3,rknn_init:-4@2")
    report = bench(model, seconds=0.05)
    assert {(run.cores, run.contexts) for run in report.runs} == {(1, 1), (2, 1), (3, 1)}
    assert re.fullmatch(SAID, report.compared)
    library.set(FAIL="rknn_init:-4")
    with pytest.raises(BackendError, match=r"^rknn_init returned -4"):
        bench(model, seconds=0.05)


def test_fewer_contexts_of_a_model_that_is_no_detector(library: Library, tmp_path: Path) -> None:
    library.set(REPLAY="", FAIL="rknn_dup_context:-4@5,rknn_init:-4@3")
    model = write_generic(tmp_path / "g.rknn", {"x": (1, 5)}, {"y": (1, 2)})
    report = bench_any(model, seconds=0.05)
    assert [(one.runtime, one.contexts) for one in report.settings] == [("c", 3)]
    assert re.fullmatch(SAID, report.refused) and report.refused in report.table()


@pytest.mark.usefixtures("any_picture")
def test_frames_that_a_core_lost_are_told(library: Library, model: Path) -> None:
    library.set(FAIL="core1:600000@3", DEAF=1)
    report = bench(model, seconds=0.1, contexts=1)
    (slow,) = [run for run in report.runs if run.lost]
    assert slow.lost == 1 and slow.cores > 1
    assert f"{slow.workers} workers, c: 1 frames lost to a hung NPU core, by which this is slower" in report.table()
