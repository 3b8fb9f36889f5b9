"""val and the gate with their work divided among workers: the same numbers, whatever comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort
from tests.fakes.spread import Backwards
from tests.measure.test_gate import report, trial
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import CalibrationError, DatasetError, SourceError
from yolorknn.measure.gate import build_within
from yolorknn.measure.gate_plan import GatePlan
from yolorknn.measure.gate_report import Trial
from yolorknn.measure.trials import side_by_side, until_passing
from yolorknn.measure.val import validate

DATA = DATASET / "data.yaml"


@needs_ort
def test_images_that_are_divided_measure_the_same_and_are_kept_the_same(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    spread, said = Backwards(), list[float]()
    plain = validate(DEMO_ONNX, DATA, store=tmp_path / "plain").to_json()
    divided = validate(
        DEMO_ONNX, DATA, store=tmp_path / "divided", spread=spread, progress=lambda _, done: said.append(done)
    )
    assert divided.to_json() == plain and plain["map"] > 0.5
    assert spread.asked == [("demo.onnx", False)] and sum(map(len, spread.done)) == 40
    assert said[0] == 0 and said[-1] == 1 and said == sorted(said)
    (kept,), (other) = ([*(tmp_path / name).iterdir()] for name in ("plain", "divided"))
    assert [path.name for path in other] == [kept.name]
    assert sorted(kept.read_text().splitlines()) == sorted(other[0].read_text().splitlines())
    again = Backwards()
    assert validate(DEMO_ONNX, DATA, store=tmp_path / "divided", spread=again).to_json() == plain and not again.asked


@needs_ort
def test_what_a_worker_cannot_read_is_said_as_here(tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"no picture")
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text(DATA.read_text())
    with pytest.raises(SourceError) as here:
        validate(DEMO_ONNX, tmp_path / "data.yaml")
    with pytest.raises(SourceError) as there:
        validate(DEMO_ONNX, tmp_path / "data.yaml", spread=Backwards())
    assert str(here.value) == str(there.value)
    (tmp_path / "data.yaml").write_text("val: images\nnames: [ball]\n")
    unasked = Backwards()
    with pytest.raises(DatasetError, match="has 1 classes, the model 6"):
        validate(DEMO_ONNX, tmp_path / "data.yaml", spread=unasked)
    assert not unasked.asked


def _tries(_: object) -> nullcontext[Callable[[float], Trial]]:
    return nullcontext(_lost)


def _lost(drop: float) -> Trial:
    return trial(str(drop), drop)


def test_the_first_that_passes_is_taken_though_a_later_one_was_faster() -> None:
    asked: list[int] = []

    def rounds() -> Iterator[list[float]]:
        for number, each in enumerate(([5.0, 4.0, 0.4, 0.1], [], [0.0])):
            asked.append(number)
            yield each

    for max_drop, chosen, tried, rounds_asked in (
        (0.5, "0.4", ["5.0", "4.0", "0.4"], [0]),
        (0.05, "0.0", ["5.0", "4.0", "0.4", "0.1", "0.0"], [0, 1, 2]),
        (-1, None, ["5.0", "4.0", "0.4", "0.1", "0.0"], [0, 1, 2]),
    ):
        asked.clear()
        spread = Backwards()
        tries = side_by_side(rounds(), spread, _tries, "m.onnx", None)
        found, taken = until_passing(replace(report(), max_drop=max_drop), tries)
        tries.close()
        assert (found.chosen, [each.recipe for each in found.trials], asked) == (chosen, tried, rounds_asked)
        assert (None if taken is None else str(taken)) == chosen and spread.closed
        assert spread.done[:4] == [0.1, 0.4, 4.0, 5.0] and set(spread.asked) == {("m.onnx", True)}


def test_a_camera_calibrates_no_workers(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    plan = GatePlan.make(DATA)
    plan = GatePlan(plan.data, CalibrationSet.open("camera0"), plan.labelled, own=True)
    with pytest.raises(CalibrationError, match="camera0 gives each worker other frames"):
        build_within(BuildRequest(DEMO_ONNX), plan, max_drop=1, output=tmp_path, spread=Backwards())
    assert not list(tmp_path.iterdir())
