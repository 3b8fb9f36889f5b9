"""The gate on classifiers: a folder of classified images, of which some calibrate and others measure; top-1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.backends_of import simulated
from tests.fakes.families import make_checkpoint
from yolorknn import Classifier, DatasetError, Detector, export
from yolorknn.cli.app import app
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.class_folder import ClassFolder
from yolorknn.image import read_image
from yolorknn.measure.gate import build_within
from yolorknn.measure.gate_plan import GatePlan
from yolorknn.measure.gate_report import GateReport, Trial
from yolorknn.measure.measured import measured
from yolorknn.measure.val import validate
from yolorknn.measure.val_classes import validate_classes
from yolorknn.model import rknn_file
from yolorknn.tasks.known import metadata_of

IMAGES = sorted((DATASET / "images").glob("*.jpg"))
NAMES = ("a", "b", "c")


def folder_of(place: Path, splits: dict[str, int], classes: tuple[str, ...] = NAMES) -> Path:
    """Return a folder with so many images in each split, all different, dealt to the classes in turn."""
    images = iter(IMAGES)
    for split, count in splits.items():
        for name in classes:
            (place / split / name).mkdir(parents=True)
        for number in range(count):
            shutil.copy(next(images), place / split / classes[number % len(classes)])
    return place


def test_images_of_train_calibrate_and_those_of_val_measure(tmp_path: Path) -> None:
    data = folder_of(tmp_path, {"train": 6, "val": 9})
    (data / "val/.ipynb_checkpoints").mkdir()  # no class
    plan = GatePlan.make(data)
    assert isinstance(plan.labelled, ClassFolder)
    assert {path.parent.parent.name for path in plan.calibration.images} == {"train"}
    assert len(plan.calibration.images) == 6 and len(plan.labelled.images) == 9
    assert [NAMES[number] for number in plan.labelled.class_ids] == [path.parent.name for path in plan.labelled.images]


def test_without_train_every_other_image_of_val_calibrates_and_copies_count_once(tmp_path: Path) -> None:
    data = folder_of(tmp_path, {"val": 10})
    for path in sorted((data / "val" / "a").iterdir()):
        shutil.copy(path, data / "val" / "b" / f"copy-{path.name}")
    plan = GatePlan.make(data)
    assert isinstance(plan.labelled, ClassFolder)
    shown, measured_on = (
        {path.read_bytes() for path in paths} for paths in (plan.calibration.images, plan.labelled.images)
    )
    assert shown and measured_on and not shown & measured_on
    assert [NAMES[number] for number in plan.labelled.class_ids] == [path.parent.name for path in plan.labelled.images]


def test_a_calibration_set_of_the_users_is_not_measured_on(tmp_path: Path) -> None:
    data = folder_of(tmp_path, {"train": 3, "val": 6})
    plan = GatePlan.make(data, data / "val" / "a")
    assert len(plan.calibration.images) == 2 and len(plan.labelled.images) == 4 and plan.own
    with pytest.raises(DatasetError, match=r"nothing of .* is left to measure on"):
        GatePlan.make(data, data / "val")


def test_the_report_says_of_what_its_points_are() -> None:
    trial = Trial("mean", {}, 5, 0.8, 10.0, 2_000_000, 1.5)
    report = GateReport("m.onnx", "rk3588", "set", 40, 0.9, 5, (trial,), None, "top-1")
    said = json.loads(json.dumps(report.to_json()))
    assert said["measure"] == "top-1" and said["unit"] == "drop and max_drop: points of top-1, 1 point is 0.01"
    assert report.table().startswith("m.onnx for rk3588: float 90.00 points of top-1 on 40 images of set")
    assert "loses at most 5 points of top-1 on 40 images; the best, 'mean', loses 10.00" in report.why
    assert report.summary()["measure"] == "top-1"
    plain = GateReport("m.onnx", "rk3588", "d.yaml", 40, 0.9, 5, (trial,), None)
    assert "measure" not in plain.summary(), "a .rknn has no room to spare"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    return export(make_checkpoint("yolov8n-cls.yaml", folder, names=NAMES, imgsz=64, narrower=4), imgsz=(64, 64))


@needs_torch
@needs_ort
def test_images_of_another_task_are_refused_in_a_sentence(classifier: Path, tmp_path: Path) -> None:
    data = folder_of(tmp_path / "set", {"val": 6})
    boxes = r"classifies whole images, and .*data\.yaml names images with boxes: give the folder that has a folder val"
    classes = r"finds objects, and .*set is a folder of classified images: give the data\.yaml that it was trained with"
    with pytest.raises(DatasetError, match=boxes):
        validate(classifier, DATASET / "data.yaml")
    with pytest.raises(DatasetError, match=classes):
        validate_classes(DEMO_ONNX, data)
    with pytest.raises(DatasetError, match=boxes):
        build_within(BuildRequest(classifier), GatePlan.make(DATASET / "data.yaml"), max_drop=1, output=tmp_path)
    with pytest.raises(DatasetError, match=classes):
        build_within(BuildRequest(DEMO_ONNX), GatePlan.make(data), max_drop=1, output=tmp_path)
    two = folder_of(tmp_path / "two", {"val": 6}, ("a", "b"))
    with pytest.raises(DatasetError, match="two has 2 classes, the model 3"):
        build_within(BuildRequest(classifier), GatePlan.make(two), max_drop=1, output=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"set", "two"}


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_a_classifier_that_passes_is_built_and_carries_its_top_1(classifier: Path, tmp_path: Path) -> None:
    """Images lie in the classes that the float model gives them, so that what int8 changes is what it loses."""
    model = Path(shutil.copy(classifier, tmp_path / "c.onnx"))
    data = tmp_path / "set"
    with Classifier(model) as floating:
        for number, path in enumerate(IMAGES[:24]):
            name = floating.names[int(floating.classify(path).class_id[0])]
            split = "train" if number < 8 else "val"
            for each in NAMES:
                (data / split / each).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, data / split / name)
    done = CliRunner().invoke(
        app, ["build", str(model), "--data", str(data), "--max-drop", "60"], catch_exceptions=False
    )
    assert done.exit_code == 0 and "float 100.00 points of top-1 on 16 images" in done.stderr.replace("\n", " ")
    made = tmp_path / "c-rk3588-i8.rknn"
    said = json.loads((tmp_path / "c-rk3588-i8.accuracy.json").read_text())
    assert said["float_map"] == 1 and said["measure"] == "top-1" and said["trials"][0]["calibration"] == 8
    build = metadata_of(rknn_file.read(made)).build
    assert build is not None and build.accuracy["measure"] == "top-1"
    truth = ClassFolder.open(data)
    again = measured(model, truth, {}, backends=[simulated(made)])
    assert again == pytest.approx(said["trials"][0]["map"])
    with Classifier(model, backends=[simulated(made)]) as quantized:
        right = [
            int(quantized.classify(read_image(path)).class_id[0]) == number
            for path, number in zip(truth.images, truth.class_ids, strict=True)
        ]
    assert again == pytest.approx(sum(right) / len(right))
    with pytest.raises(Exception, match="use Classifier"):
        Detector(model, backends=[simulated(made)])
