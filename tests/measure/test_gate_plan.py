"""What the gate's recipes share is made once: after that, the files it was made of may be gone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit
from yolorknn.convert.alone import alone
from yolorknn.convert.build import Outcome, build, build_as, listing_of
from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.dataset import Labelled
from yolorknn.errors import BuildError, CalibrationError, DatasetError, ModelError
from yolorknn.files import sha256
from yolorknn.image import Canvas, letterbox, read_image
from yolorknn.measure import gate_plan
from yolorknn.measure.gate import build_within
from yolorknn.measure.gate_plan import CalibrationSets, GatePlan
from yolorknn.tasks.known import TASKS

SIZE = (64, 96)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten labelled images of the demo's data."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
        for file in sorted((DATASET / kind).iterdir())[:10]:
            shutil.copy(file, tmp_path / kind)
    (tmp_path / "data.yaml").write_text("val: images\n" + (DATASET / "data.yaml").read_text().partition("images\n")[2])
    return tmp_path / "data.yaml"


def canvas() -> Canvas:
    return TASKS["detect"].canvas(SIZE)


def sets(plan: GatePlan, folder: Path) -> CalibrationSets:
    folder.mkdir()
    return CalibrationSets(plan, folder, canvas=canvas(), colour="RGB", progress=None)


def arrays(listing: Path) -> list[np.ndarray]:
    return [np.load(listing.parent / name) for name in listing.read_text().split()]


def test_labels_are_read_with_the_plan(data: Path) -> None:
    plan = GatePlan.make(data)
    images = sorted((data.parent / "images").iterdir())
    assert isinstance(plan.labelled, Labelled)
    assert plan.calibration.images == tuple(images[::2]) and plan.labelled.images == tuple(images[1::2])
    assert plan.labelled.file == data and plan.labelled.names[:2] == ("ball", "bottle")
    shutil.rmtree(data.parent / "labels")
    assert sum(len(rows) for rows in plan.labelled.labels if rows is not None) > 5
    with pytest.raises(DatasetError, match="none of the 5 images has labels"):
        GatePlan.make(data)


def test_each_set_is_letterboxed_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_plan, "FEW", 2)
    plan = GatePlan.make(data)
    assert plan.more
    chosen = sets(plan, tmp_path / "sets")
    images = plan.calibration.images
    made = {few: chosen.of(few=few) for few in (True, False)}
    expected = [letterbox(read_image(image), SIZE)[0].transpose(2, 0, 1)[None] for image in images]
    for few, numbers in ((True, (0, 2)), (False, range(5))):
        listing, calibration = made[few]
        assert listing.read_text().split() == [str(images[number].resolve()) for number in numbers]
        assert calibration.arrays.images == len(numbers)
        for array, number in zip(arrays(calibration.arrays.listing), numbers, strict=True):
            assert np.array_equal(array, expected[number])
    shutil.rmtree(data.parent / "images")
    assert {few: chosen.of(few=few) for few in (True, False)} == made
    with pytest.raises(CalibrationError, match="calibration image"):
        sets(plan, tmp_path / "again").of(few=True)


@pytest.mark.parametrize("name", [b"0 \xff caf\xc3\xa9.jpg", "0 two\u2028lines\x85.jpg".encode(), b"0 caf\xe9.jpg"])
def test_the_list_of_a_set_names_what_any_system_wrote(data: Path, tmp_path: Path, name: bytes) -> None:
    image = (data.parent / "images/0000.jpg").rename(data.parent / "images" / os.fsdecode(name))
    listing, calibration = sets(GatePlan.make(data), tmp_path / "sets").of(few=True)
    again = CalibrationSet.open(listing)
    assert image.resolve() in again.images and len(again.images) == 5
    (tmp_path / "again").mkdir()
    assert again.write(tmp_path / "again", canvas=canvas()).digest == calibration.arrays.digest


def test_a_set_of_the_users_is_never_cut_short(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_plan, "FEW", 2)
    own = tmp_path / "own.txt"
    own.write_text("".join(f"images/{image.name}\n" for image in sorted((data.parent / "images").iterdir())[:4]))
    plan = GatePlan.make(data, own)
    assert not plan.more and len(plan.labelled.images) == 6
    chosen = sets(plan, tmp_path / "sets")
    assert chosen.of(few=True) is chosen.of(few=False)
    dataset, calibration = chosen.of(few=True)
    assert dataset == own and calibration.arrays.images == 4


@needs_ort
def test_a_model_is_observed_once_on_a_set(data: Path, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    plan = GatePlan.make(data)
    calibration = Calibration(plan.calibration.write(tmp_path / "sets", canvas=TASKS["detect"].canvas((320, 320))))
    first = calibration.observed(DEMO_ONNX, mean=(0, 0, 0), std=(255, 255, 255))
    assert {len(extremes) for extremes in first.extremes.values()} == {5}
    other = calibration.observed(DEMO_ONNX, mean=(0, 0, 0), std=(1, 1, 1))
    assert other.pixels == (0, 255) and first.pixels == (0, 1)
    for array in (tmp_path / "sets").glob("*.npy"):
        array.unlink()
    assert calibration.observed(DEMO_ONNX, mean=[0, 0, 0], std=[255, 255, 255]) is first


@needs_ort
@needs_toolkit
def test_a_model_that_changes_between_two_recipes_is_refused(data: Path, tmp_path: Path) -> None:
    """What was measured of one would be said of the other; here it changes once the float model was measured."""
    model = Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx"))

    def changed(step: str, _: float) -> None:
        if step == "calibration images":
            model.write_bytes(DEMO_ONNX.read_bytes() + b"\x32\x00")  # documentation of no length

    with pytest.raises(ModelError, match=r"demo\.onnx has changed while it was read for the build: build it again$"):
        build_within(BuildRequest(model), GatePlan.make(data), max_drop=50, progress=changed)
    request = BuildRequest(model, dataset=data.parent / "images")
    model.write_bytes(DEMO_ONNX.read_bytes())
    with pytest.raises(ModelError, match="has changed"), planned(request, progress=changed):
        pass
    with pytest.raises(ModelError, match="has changed"):  # by another export, since this one wrote it
        build(model, sha256=sha256(DEMO_ONNX), output=tmp_path)


@needs_toolkit
def test_a_build_that_fails_leaves_the_list_of_the_earlier_model(tmp_path: Path) -> None:
    """Without it that one could not be simulated any more."""
    request = BuildRequest(DEMO_ONNX, dataset=DATASET / "images/0000.jpg")
    outcome = replace(Outcome.of(request, tmp_path), listing=b"new")
    earlier = listing_of(outcome.target)
    earlier.write_bytes(b"old")
    with alone(outcome.target), pytest.raises(BuildError, match="another build"):
        build_as(request, outcome)
    assert earlier.read_bytes() == b"old"
