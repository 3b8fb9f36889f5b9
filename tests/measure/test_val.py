"""val on the demo's own scenes, on any machine; and against ultralytics' own val, where the real weights are."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO, DEMO_ONNX, SHARED, needs_ort, needs_shared, needs_torch
from yolorknn import Detections
from yolorknn.cli.app import app
from yolorknn.data.dataset import Dataset
from yolorknn.errors import DatasetError, ModelError
from yolorknn.image import Letterbox
from yolorknn.measure import val
from yolorknn.measure.predictions import Prediction, Predictions
from yolorknn.measure.val import validate
from yolorknn.measure.val_key import key_of
from yolorknn.measure.val_report import ValReport, table
from yolorknn.measure.val_size import names_of, size_of, size_to_compare_at
from yolorknn.predict.detector import Detector
from yolorknn.predict.open_model import HERE

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight images of the demo's dataset, to be spoilt."""
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for file in sorted((DATASET / folder).glob(f"*.{suffix}"))[:8]:
            shutil.copy(file, tmp_path / "set" / folder)
    shutil.copy(DATASET / "data.yaml", tmp_path / "set")
    return tmp_path / "set" / "data.yaml"


@needs_ort
def test_the_demo_model_finds_its_own_scenes(data: Path, tmp_path: Path) -> None:
    report = validate(DEMO_ONNX, data)
    assert report.images == 8 and report.unlabelled == 0 and Path(report.model).name == "demo.onnx"
    assert report.map50 > 0.85 and report.map > 0.6
    assert report.map == pytest.approx(np.mean([entry.map for entry in report.per_class]))
    assert "ball" in table([report, report]) and "+0.0000" in table([report, report])
    fewer = validate(DEMO_ONNX, data, images=[str(image) for image in Dataset.open(data).images[:3]])
    assert fewer.images == 3
    with pytest.raises(DatasetError, match="there are no images to measure on"):
        validate(DEMO_ONNX, data, images=[])
    with pytest.raises(ValueError, match=r"images is a list of paths, as \['a.jpg'\], not one"):
        validate(DEMO_ONNX, data, images="a.jpg")


@needs_ort
def test_an_interrupted_run_goes_on(data: Path, tmp_path: Path) -> None:
    whole = validate(DEMO_ONNX, data, store=tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(stage: str, done: float) -> None:
        if done >= 0.5:
            raise Stop

    with pytest.raises(Stop):
        validate(DEMO_ONNX, data, store=tmp_path / "kept", progress=stop)
    (file,) = (tmp_path / "kept").iterdir()
    assert 3 <= file.read_bytes().count(b'"image"') < 8
    with file.open("ab") as torn:
        torn.write(b'{"image": "ab')  # killed while writing
    done: list[float] = []
    again = validate(DEMO_ONNX, data, store=tmp_path / "kept", progress=lambda stage, share: done.append(share))
    assert again == whole and len(done) < 8
    done.clear()
    assert validate(DEMO_ONNX, data, store=tmp_path / "kept", progress=lambda _, share: done.append(share)) == whole
    assert done == [0.0]  # nothing was inferred


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_kept_is_read_back(count: int, tmp_path: Path) -> None:
    """Also of an image in which nothing is found, which was looked at again each time."""
    boxes, ones, ids = np.ones((count, 4), np.float32), np.ones(count, np.float32), np.ones(count, np.int64)
    points: Any = {"keypoints": np.ones((count, 5, 3)), "xyxyxyxy": np.ones((count, 4, 2))}
    for more in ({}, {"keypoints": points["keypoints"]}, {"xyxyxyxy": points["xyxyxyxy"]}):
        found = Prediction.of(Detections(boxes, ones, ids, **more), (48, 64))
        made = Predictions(tmp_path, name="m", key=tuple(more))
        with made.adding() as file:
            made.add(file, "digest", found)
        assert Predictions(tmp_path, name="m", key=tuple(more)).get("digest") == found


@needs_ort
def test_boxes_of_a_model_that_changes_meanwhile_are_not_kept_as_anothers(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a training that goes on changes best.pt."""
    model, opened = Path(shutil.copy(DEMO_ONNX, tmp_path / "m.onnx")), val.measuring

    def changing(*given: Any, **told: Any) -> Detector:
        model.write_bytes(DEMO_ONNX.read_bytes() + b"\x32\x00")  # documentation of no length
        return opened(*given, **told)

    monkeypatch.setattr(val, "measuring", changing)
    with pytest.raises(ModelError, match=r"m\.onnx has changed while it was opened: measure it again$"):
        validate(model, data, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    assert validate(model, data, store=tmp_path / "kept").images == 8


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("labels/0003.txt", "7 0.5 0.5 0.1 0.1", r"0003.txt, line 1: class 7 is not one of the 6 classes, 0 to 5"),
        ("data.yaml", "val: images\nnc: 5\nnames: [a, b]", r"says nc: 5, but names 2 classes"),
    ],
)
def test_what_is_wrong_with_the_data_is_said_first(data: Path, file: str, text: str, message: str) -> None:
    """All that can be is in tests/data/test_dataset.py."""
    (data.parent / file).write_text(text)
    with pytest.raises(DatasetError, match=message):
        validate(data.parent / "absent.onnx", data)


@needs_ort
def test_other_classes_than_the_models(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data.write_text("val: images\nnames: [a, b, c, d, e, f, g]")
    with pytest.raises(DatasetError, match=r"has 7 classes, the model 6"):
        validate(DEMO_ONNX, data, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists() and not caplog.text


@needs_ort
def test_other_names_than_the_models(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Counted by number, as ultralytics does; but it may be another order of the classes: told whatever is kept."""
    validate(DEMO_ONNX, data, store=tmp_path / "kept")
    assert "class" not in caplog.text
    data.write_text("val: images\nnames: [ball, flask, box, cone, ring, star]\n")
    for store in (None, tmp_path / "kept"):
        caplog.clear()
        validate(DEMO_ONNX, data, store=store)
        assert f"class 1 is 'bottle' in the model and 'flask' in {data}" in caplog.text
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert names_of(DEMO) == list(names_of(DEMO_ONNX))


def test_boxes_of_a_boards_two_runtimes_are_kept_apart(tmp_path: Path) -> None:
    """The second to be measured had the numbers of the first."""
    (tmp_path / "m.rknn").write_bytes(b"RKNN")
    model = tmp_path / "m.rknn"
    assert key_of(model, HERE, None, "lite") != key_of(model, HERE, None, "c")
    assert key_of(DEMO_ONNX, HERE, None, "lite") == key_of(DEMO_ONNX, HERE, None, "c")


def test_no_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model file"):
        validate(tmp_path / "absent.onnx", data, store=tmp_path)


@needs_ort
def test_an_image_without_labels_is_one_of_nothing(data: Path) -> None:
    before = validate(DEMO_ONNX, data)
    (data.parent / "labels" / "0003.txt").unlink()
    after: ValReport = validate(DEMO_ONNX, data)
    assert after.unlabelled == 1 and after.map50 < before.map50


@needs_ort
def test_the_command(data: Path, tmp_path: Path) -> None:
    words = ["val", str(DEMO_ONNX), str(DEMO_ONNX), "--data", str(data), "-o", str(tmp_path / "kept")]
    (data.parent / "labels" / "0003.txt").unlink()
    data.write_text("val: images\nnames: [ball, bottle, box, cone, ring, star]\n")
    for file in (data.parent / "labels").iterdir():
        file.write_text("".join(line + "\n" for line in file.read_text().splitlines() if line[0] != "5"))
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "1 of 8 images have no label file" in shown.stderr
    assert "no labels of 1 classes, which are in no mean: star" in shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[:2] == [f"1: {DEMO_ONNX} at 320x320", f"2: {DEMO_ONNX} at 320x320"] and lines[4].startswith("all")
    assert lines[4].count("+0.0000") == 2 and len(lines) == 5 + 5
    first, second = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert first == second and f"{first['map50']:.4f}" in lines[4]
    assert [entry["name"] for entry in first["per_class"]] == ["ball", "bottle", "box", "cone", "ring"]


@pytest.mark.parametrize(
    ("option", "words"), [("--simulate", "--simulate is for a .rknn, or"), ("--device", "--device is for a")]
)
def test_no_model_for_another_place(option: str, words: str, data: Path) -> None:
    with pytest.raises(ModelError, match=words):
        CliRunner().invoke(app, ["val", str(DEMO_ONNX), "--data", str(data), option], catch_exceptions=False)
    arguments = ["val", str(DEMO_ONNX), "--data", str(data), "--dataset", str(data.parent)]
    assert CliRunner().invoke(app, arguments).exit_code == 2


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov8n", pytest.param("yolo11n", marks=pytest.mark.exhaustive)])
def test_agrees_with_ultralytics_val(name: str, tmp_path: Path) -> None:
    from ultralytics import YOLO

    shutil.copytree(SHARED / "coco128", tmp_path / "coco128")  # ultralytics writes a cache beside the labels
    shutil.copy(SHARED / f"weights/{name}.pt", tmp_path)
    model = YOLO(tmp_path / f"{name}.pt")
    data = tmp_path / "coco128.yaml"
    names = "".join(f"  {i}: {name}\n" for i, name in model.names.items())
    data.write_text(f"path: {tmp_path / 'coco128'}\nval: images/train2017\ntrain: images/train2017\nnames:\n{names}")
    theirs = model.val(data=data, imgsz=640, rect=False, plots=False, workers=0, project=tmp_path, verbose=False).box
    report = validate(tmp_path / f"{name}.pt", data)
    assert (report.map50, report.map) == pytest.approx((theirs.map50, theirs.map), abs=0.002)
    assert [entry.class_id for entry in report.per_class] == theirs.ap_class_index.tolist()


@needs_ort
@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("side", [192, 320])
def test_what_ultralytics_val_does_otherwise_is_all_the_difference(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It clips no box to the picture, and its loader rounds the sides of the resized picture up."""
    from ultralytics import YOLO

    shutil.copytree(DATASET, tmp_path / "set")  # ultralytics writes a cache beside the labels
    shutil.copy(DEMO, tmp_path)
    data = tmp_path / "set/data.yaml"
    options: dict[str, Any] = {"plots": False, "workers": 0, "project": tmp_path, "verbose": False, "batch": 1}
    theirs = YOLO(tmp_path / "demo.pt").val(data=data, imgsz=side, rect=False, **options).box
    ours = validate(DEMO, data, imgsz=(side, side))

    def rounded_up(cls: type[Letterbox], source: tuple[int, int], imgsz: tuple[int, int]) -> Letterbox:
        scale = side / max(source)
        height, width = (min(math.ceil(length * scale), side) for length in source)
        left, top = round((side - width) / 2 - 0.1), round((side - height) / 2 - 0.1)
        return cls(source, (height, width), left, top)

    def unclipped(self: Letterbox, xyxy: Any) -> Any:
        return self.undo_points(xyxy.reshape(-1, 2, 2)).reshape(-1, 4)

    monkeypatch.setattr(Letterbox, "fit", classmethod(rounded_up))
    monkeypatch.setattr(Letterbox, "undo", unclipped)
    report = validate(DEMO, data, imgsz=(side, side))
    assert (report.map50, report.map) == pytest.approx((theirs.map50, theirs.map), abs=0.0005)
    assert ours.map > report.map + 0.005 and report.imgsz == (side, side)


@needs_ort
def test_a_fixed_size_is_not_another(data: Path) -> None:
    with pytest.raises(ModelError, match=r"is made for 320x320, and cannot be measured at 640x640: give a .pt"):
        validate(DEMO_ONNX, data, imgsz=640)
    assert validate(DEMO_ONNX, data, imgsz=320) == validate(DEMO_ONNX, data, imgsz=(320, 320))
    assert size_to_compare_at([DEMO, DEMO_ONNX]) == (320, 320)
    assert size_to_compare_at([DEMO]) is None and size_to_compare_at([DEMO_ONNX, DEMO_ONNX]) is None
    assert size_to_compare_at([DEMO, DEMO]) == size_of(DEMO)
