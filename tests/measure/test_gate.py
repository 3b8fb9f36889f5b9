"""The gate: which trial it takes, which images it measures with, and all of it on the demo model."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_toolkit
from tests.fakes.backends_of import simulated
from tests.fakes.earlier import assert_still_said, recorded
from yolorknn.cli.app import app
from yolorknn.convert.build import build as rebuild
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.tables.layers import LayerError
from yolorknn.data.dataset import Dataset
from yolorknn.errors import AccuracyError, BuildError, DatasetError
from yolorknn.measure import gate, gate_plan
from yolorknn.measure.gate_plan import GatePlan
from yolorknn.measure.gate_report import GateReport, Trial, best, passing
from yolorknn.measure.recipes import Recipe, recipes
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Build, ModelMetadata, Output
from yolorknn.model.packing import pack, unpack
from yolorknn.tasks.known import metadata_of

IMAGES = sorted((DATASET / "images").glob("*.jpg"))
DATA = DATASET / "data.yaml"


def trial(name: str, drop: float | None, size: int = 1) -> Trial:
    return Trial(name, {}, 64, None if drop is None else 0.5 - drop / 100, drop, size, refused="no" * (drop is None))


def report(*trials: Trial, chosen: str | None = None) -> GateReport:
    return GateReport("m.onnx", "rk3588", "d.yaml", 64, 0.5, 0.5, trials, chosen)


@given(st.lists(st.none() | st.floats(-5, 60), max_size=8), st.floats(0, 10))
def test_the_first_that_passes_and_the_best(drops: list[float | None], max_drop: float) -> None:
    trials = [trial(str(number), drop) for number, drop in enumerate(drops)]
    good = [number for number, drop in enumerate(drops) if drop is not None and drop <= max_drop]
    taken, nearest = passing(trials, max_drop), best(trials)
    assert (taken.recipe if taken else None) == (str(good[0]) if good else None)
    measured = [drop for drop in drops if drop is not None]
    assert (nearest.drop if nearest else None) == (min(measured) if measured else None)


def test_of_equals_the_smaller_then_the_earlier() -> None:
    found = best([trial("big", 1, 9), trial("small", 1, 5), trial("later", 1, 5)])
    assert found is not None and found.recipe == "small"


def test_exactly_the_limit_passes() -> None:
    assert passing([trial("a", 0.5)], 0.5) and not passing([trial("a", 0.5001)], 0.5)


def test_report() -> None:
    long = replace(trial("mean", 0.7), seconds=1234.56)
    passed = report(long, trial("bad", None), replace(trial("normal", 0.2), seconds=7), chosen="normal")
    assert (
        re.search(r"(?m)^recipe .*took, s$", passed.table())
        and re.search(r"(?m)^mean +64 +49\.30 .* 1234\.6$", passed.table())
        and re.search(r"(?m)^normal +64 +49\.80 +0\.20 .* 7\.0  <- chosen$", passed.table())
        and "bad    refused: no" in passed.table()
    )
    said = json.loads(json.dumps(passed.to_json()))
    assert [entry["seconds"] for entry in said["trials"]] == [1234.56, 0, 7]
    assert [entry["drop"] for entry in said["trials"]] == [0.7, None, 0.2] and "1 point is 0.01" in said["unit"]
    assert passed.summary()["trials"] == {"mean": [0.7, 0.0, 0.0], "bad": [], "normal": [0.2, 0.0, 0.0]}
    assert report(trial("a", 3), trial("b", 2)).why.endswith("the best, 'b', loses 2.00")
    assert "refused all 1 recipes: no" in report(trial("a", None)).why
    vain = replace(passed, float_map=0.004)
    assert "no more than 0.5 points" in vain.table() and "no more than" not in passed.table()


def test_where_float_finds_nothing_there_is_nothing_to_lose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As with the labels of another model: every recipe would pass."""
    monkeypatch.setattr(gate, "measured", lambda *_, **__: 0.0)
    with pytest.raises(DatasetError, match="mAP50-95 of 0 on "):
        gate.build_within(BuildRequest(DEMO_ONNX), GatePlan.make(DATA), max_drop=1, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_summary_fits_into_a_rknn_with_eighty_names() -> None:
    from ultralytics.cfg import get_cfg  # noqa: F401  (ultralytics carries COCO's names)
    from ultralytics.utils import ROOT as ULTRALYTICS
    from ultralytics.utils import YAML

    names = tuple(YAML.load(ULTRALYTICS / "cfg/datasets/coco.yaml")["names"].values())
    layers = [LayerError("Conv", str(number), None, None, 0.5, None, "") for number in range(31)]
    rounds = recipes(lambda: layers, attention=(("a", "b"),), more=True, float16=True, mmse=True)
    every = [name for name, *_ in chain.from_iterable(rounds)]
    assert {"mean, 10 layers float16", "mean, 30 layers float16"} < set(every)
    summary = report(*(trial(name, 12.34) for name in every)).summary()
    outputs = tuple(Output(f"{role}{stride}", role, stride) for stride in (8, 16, 32) for role in ("box", "cls"))
    made = Build(
        "rk3588", "i8", "2.3.2", "mean", dataset="yolo11n-rk3588-i8.calibration.txt", images=100, digest="ab" * 32
    )
    build = Build(**{**vars(made), "accuracy": summary})
    metadata = ModelMetadata(names, (640, 640), "split", outputs, source="yolo11n.onnx", sha256="cd" * 32, build=build)
    packed = pack(metadata)
    assert packed is not None and unpack(packed) == metadata


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-drop", "1"], "needs --data"),
        (["--data", str(DATA)], "needs --max-drop"),
        (["--data", str(DATA), "--max-drop", "1", "--dtype", "fp16"], "leave out --dtype fp16"),
        (["--data", str(DATA), "--max-drop", "1", "--algorithm", "mmse"], "chooses the recipe itself"),
        (["--data", str(DATA), "--max-drop", "-1"], "greater than or equal to 0"),
    ],
)
@pytest.mark.parametrize("command", [["build", "x.onnx"], ["export", "x.pt"]])
def test_contradictory_options(command: list[str], arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, [*command, *arguments])
    assert done.exit_code == 2 and words in " ".join(done.stderr.replace("│", " ").split())


def test_settled() -> None:
    assert BuildOptions().settled("i8").algorithm == "mean" and BuildOptions().settled("fp16").algorithm == "normal"
    assert BuildOptions(auto_hybrid=True).settled("i8").algorithm == "normal"
    assert BuildOptions(config={"quantized_dtype": "w4a16"}).settled("i8").algorithm == "normal"
    assert BuildOptions(algorithm="mmse").settled("i8").algorithm == "mmse"
    with pytest.raises(BuildError, match="auto_hybrid goes with the vendor's own algorithms"):
        BuildOptions(algorithm="mean", auto_hybrid=True).check("i8")


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Path]:
    """The demo model, and six labelled images of its data."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for image in IMAGES[:6]:
        shutil.copy(image, tmp_path / "images")
        shutil.copy(DATASET / "labels" / f"{image.stem}.txt", tmp_path / "labels")
    (tmp_path / "data.yaml").write_text("val: images\n" + DATA.read_text().partition("val: images\n")[2])
    return Path(shutil.copy(DEMO_ONNX, tmp_path / "demo.onnx")), tmp_path / "data.yaml"


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_what_passes_is_built_and_carries_what_was_measured(
    small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first recipe calibrates with FEW of the images that are not measured with."""
    from yolorknn.measure.val import measuring, validate, validate_detector

    monkeypatch.setattr(gate_plan, "FEW", 2)
    onnx, data = small
    rejected = onnx.with_name("demo-rk3588-i8.rejected.json")
    rejected.write_text("of an earlier run")
    done = CliRunner().invoke(
        app, ["build", str(onnx), "--data", str(data), "--max-drop", "30"], catch_exceptions=False
    )
    made = Path(done.stdout.strip())
    assert done.exit_code == 0 and made == onnx.with_name("demo-rk3588-i8.rknn") and "<- chosen" in done.stderr
    said = json.loads(onnx.with_name("demo-rk3588-i8.accuracy.json").read_text())
    assert_still_said(recorded("accuracy"), said, where="accuracy")
    build = metadata_of(rknn_file.read(made)).build
    assert build is not None and build.algorithm == "mean" and build.images == said["trials"][0]["calibration"] == 2
    (figures,) = build.accuracy["trials"].values()
    assert figures[0] == round(said["trials"][0]["drop"], 2) and figures[2] > 0.5 and build.accuracy["images"] == 3
    assert figures[1] == pytest.approx(made.stat().st_size / 1e6, abs=0.06)
    calibration = Path(build.dataset).read_text().split()
    measured = sorted((data.parent / "images").iterdir())[1::2]
    assert len(calibration) == 2 and not {str(image.resolve()) for image in measured} & set(calibration)
    with measuring(onnx, backends=[simulated(made)]) as detector:
        again = validate_detector(detector, onnx, Dataset.open(data).labelled(measured), None)
    assert again.map == pytest.approx(said["trials"][0]["map"], abs=1e-9), "what was measured is what was written"
    assert said["float_map"] == pytest.approx(validate(onnx, data, images=measured).map, abs=1e-9)
    assert not rejected.exists()
    with pytest.raises(AccuracyError, match=r"demo-rk3588-i8\.rknn is of an earlier build$"):
        monkeypatch.setattr(gate, "recipes", lambda *_, **__: iter([[Recipe("x", BuildOptions(float16=("no",)))]]))
        gate.build_within(BuildRequest(onnx), GatePlan.make(data), max_drop=0)
    rebuild(onnx, dataset=Path(build.dataset))
    assert not onnx.with_name("demo-rk3588-i8.accuracy.json").exists(), "it was of the model that is replaced"


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_where_nothing_passes_no_model_is_written(small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrated on black, int8 sees nothing; the third recipe does not exist, the fourth takes the worst layers.

    Labels are gone before the first build, the calibration image before the first recipe: what all share is made once.
    """
    import cv2

    def some(compare: Callable[[], Sequence[LayerError]], **_: object) -> Iterator[list[Recipe]]:
        cheap, dear = (list(each) for each in recipes(compare, attention=(), more=False, float16=True, mmse=False))
        yield [*cheap[:2], Recipe("nonsense", BuildOptions(float16=("nowhere",)))]
        yield [recipe for recipe in dear if "10 layers" in recipe.name]

    monkeypatch.setattr(gate, "recipes", some)
    onnx, data = small
    black = data.with_name("black.png")
    cv2.imwrite(str(black), np.zeros((64, 64, 3), np.uint8))
    before = {path.name for path in onnx.parent.iterdir()}
    plan = GatePlan.make(data, black)
    shutil.rmtree(data.parent / "labels")
    stages: list[str] = []

    def progress(stage: str, _: float) -> None:
        stages.append(stage)
        if stage == "load_onnx":
            black.unlink(missing_ok=True)

    begun = time.monotonic()
    with pytest.raises(
        AccuracyError, match=r"none of 4 recipes loses at most 0\.5 points .* 6 images; the best, '"
    ) as told:
        gate.build_within(BuildRequest(onnx), plan, max_drop=0.5, progress=progress)
    took = time.monotonic() - begun
    assert stages.count("calibration images") == 1 and stages.count("hybrid_quantization_step1") >= 4
    report = json.loads(onnx.with_name("demo-rk3588-i8.rejected.json").read_text())
    assert str(onnx.with_name("demo-rk3588-i8.rejected.json")) in str(told.value)
    assert {path.name for path in onnx.parent.iterdir()} - before == {"demo-rk3588-i8.rejected.json"}
    assert_still_said(recorded("rejected"), report, where="rejected")
    assert all(entry["seconds"] > 0 for entry in report["trials"])
    # most of the time is the trials'; what they share, made once, is in none of them
    rounded = 0.05 * len(report["trials"])
    assert took / 2 < sum(entry["seconds"] for entry in report["trials"]) < took + rounded
    tried = {entry["recipe"]: entry for entry in report["trials"]}
    assert "has no tensor 'nowhere'" in tried["nonsense"]["refused"] and report["chosen"] is None
    assert all(
        entry["drop"] > 0.5 and entry["size"] > 1e6 and entry["ms"] > 0.5 for entry in (tried["mean"], tried["normal"])
    )
    hybrid = tried["mean, 10 layers float16"]
    assert len(hybrid["options"]["float16"]) == 10 and hybrid["map"] is not None
