from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from yolorknn.errors import DatasetError
from yolorknn.measure.average_precision import ClassAP
from yolorknn.measure.val_classes import TopReport
from yolorknn.measure.val_report import ValReport, table
from yolorknn.model.anchor_sizes import PUBLISHED
from yolorknn.predict.open_model import Place

REPORT = ValReport("m.onnx", 0.7, 0.5, 0.6, 0.4, (ClassAP(0, "person", 9, 0.7, 0.5, 0.6, 0.4),), (), 128, 0, (320, 640))


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.measure.val_size.size_to_compare_at", None)


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch, size: Recorder) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.measure.val.validate", REPORT)


@pytest.fixture
def read_recorded(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return replace_function(monkeypatch, "yolorknn.convert.recipe.recorded.read_recorded", None)


DEFAULTS = {
    "model": Path("m.onnx"),
    "data": Path("d.yaml"),
    "place": Place(),
    "names": None,
    "anchors": None,
    "store": Path("runs/val"),
    "progress": BAR,
    "trust": False,
    "runtime": "auto",
    "imgsz": None,
    "spread": None,
}


def test_what_it_passes_on(validate: Recorder) -> None:
    done = run("val", "m.onnx", "--data", "d.yaml")
    assert validate.call == DEFAULTS
    assert done.stdout == f"{table([REPORT])}\n" and done.stderr == ""


def test_every_option(validate: Recorder, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("person\n")
    words = [
        "--anchors",
        "yolov5",
        "--names",
        tmp_path / "names.txt",
        "-o",
        tmp_path,
        "--trust",
        "--json",
        "--runtime",
        "lite",
        "--device-id",
        "x:5555",
    ]
    done = run("val", "a.rknn", "b.pt", "--data", "d.yaml", *words)
    shared = {
        **DEFAULTS,
        "names": ["person"],
        "anchors": PUBLISHED["yolov5"],
        "store": tmp_path,
        "trust": True,
        "runtime": "lite",
    }
    assert validate.calls == [
        {**shared, "model": Path("a.rknn"), "place": Place(device_id="x:5555")},
        {**shared, "model": Path("b.pt"), "place": Place()},
    ]
    assert json.loads(done.stdout) == json.loads(json.dumps([REPORT.to_json()] * 2)) and done.stderr == ""


def test_the_simulator(validate: Recorder, read_recorded: Recorder) -> None:
    """Only what was built runs there: a .rknn, and an .onnx where a dataset says how to build it."""
    run("val", "m.onnx", "m.rknn", "--data", "d.yaml", "--simulate")
    assert [call["place"] for call in validate.calls] == [Place(), Place(simulate=True)]
    assert read_recorded.call == {"rknn": Path("m.rknn")}
    validate.calls.clear()
    run("val", "m.onnx", "m.pt", "--data", "d.yaml", "--simulate", "--dataset", "images")
    assert [call["place"] for call in validate.calls] == [Place(True, Path("images")), Place()]


def test_a_board_attached(validate: Recorder) -> None:
    run("val", "m.rknn", "m.onnx", "--data", "d.yaml", "--device")
    assert [call["place"] for call in validate.calls] == [Place(device=True), Place()]


def test_images_are_divided_among_workers(validate: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined = replace_function(monkeypatch, "yolorknn.integrations.ray.spread.spread_over", nullcontext("the workers"))
    run("val", "m.onnx", "--data", "d.yaml", "--ray", "10.0.0.5:6379")
    assert joined.call == {"address": "10.0.0.5:6379"} and validate.call == {**DEFAULTS, "spread": "the workers"}
    classes = replace_function(monkeypatch, "yolorknn.measure.val_classes.validate_classes", TopReport("m", 1, 1, 1))
    run("val", "m.onnx", "--data", tmp_path, "--ray", "local")
    assert classes.call["spread"] == "the workers"
    assert misused("val", "m.rknn", "--data", "d.yaml", "--device", "--ray", "local") == (
        "Invalid value for --device: is attached to this PC, and not to the workers of --ray"
    )


def test_what_the_labels_lack(validate: Recorder) -> None:
    validate.answer = ValReport("m.onnx", 0.7, 0.5, 0.6, 0.4, REPORT.per_class, ("car", "dog"), 128, 3, (320, 640))
    assert run("val", "m.onnx", "--data", "d.yaml").stderr.splitlines() == [
        "3 of 128 images have no label file and count as images of nothing",
        "no labels of 2 classes, which are in no mean: car, dog",
    ]


def test_models_of_two_tasks(size: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    for of, said in (("masks", 1), ("boxes", 0)):
        reports = iter([REPORT, replace(REPORT, of=of)])
        monkeypatch.setattr("yolorknn.measure.val.validate", lambda *_, reports=reports, **__: next(reports))
        told = run("val", "m.onnx", "m-seg.onnx", "--data", "d.yaml").stderr
        assert told.count("of different tasks") == told.count("measured is 1 by boxes, 2 by masks") == said


def test_what_fails_or_is_mistyped(validate: Recorder) -> None:
    assert misused("val", "--data", "d.yaml").startswith("Missing argument")
    assert misused("val", "m.onnx").startswith("Missing option '--data'")
    assert misused("val", "m.rknn", "--data", "d.yaml", "--device", "--simulate") == (
        "Invalid value for --simulate, --device: a model runs on the simulator or on a board"
    )
    assert misused("val", "m.rknn", "--data", "d.yaml", "--dataset", "images") == (
        "Invalid value for --dataset: is for --simulate, which builds the model"
    )
    assert refused("val", "m.onnx", "--data", "d.yaml", "--simulate") == (
        "--simulate is for a .rknn, or an .onnx with --dataset, which says how to build it: none of the models is one"
    )
    assert refused("val", "m.onnx", "--data", "d.yaml", "--device") == (
        "--device is for a .rknn: none of the models is one"
    )
    assert validate.calls == []
    validate.answer = DatasetError("there is no d.yaml")
    assert refused("val", "m.onnx", "--data", "d.yaml") == "there is no d.yaml"


def test_the_size_is_one_for_all_and_is_printed(validate: Recorder, size: Recorder) -> None:
    size.answer = (320, 320)
    run("val", "m.pt", "m.onnx", "n.pt", "--data", "d.yaml")
    assert size.call == {"models": [Path("m.pt"), Path("m.onnx"), Path("n.pt")], "names": None, "anchors": None}
    assert [call["imgsz"] for call in validate.calls] == [(320, 320), None, (320, 320)]
    validate.calls.clear()
    done = run("val", "m.pt", "m.onnx", "--data", "d.yaml", "--imgsz", "384,640")
    assert [call["imgsz"] for call in validate.calls] == [(384, 640)] * 2
    assert done.stdout.splitlines()[0] == "1: m.onnx at 640x320"
    assert misused("val", "m.pt", "--data", "d.yaml", "--imgsz", "big").endswith("give 640, or height,width as 384,640")
