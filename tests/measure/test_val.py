"""mAP against known answers, on any machine; and against ultralytics' own val, where the real weights are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, SHARED, needs_ort, needs_shared
from yolorknn import Detections
from yolorknn.cli.app import app
from yolorknn.data.dataset import Dataset, labels
from yolorknn.errors import DatasetError, ModelError
from yolorknn.measure.average_precision import average_precision
from yolorknn.measure.val import validate
from yolorknn.measure.val_report import ValReport, table

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")

NAMES = ("cat", "dog")


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    columns = np.array(rows, float).reshape(-1, 6)
    return Detections(columns[:, :4], columns[:, 4], columns[:, 5].astype(int))


def truth(*rows: tuple[int, float, float, float, float]) -> np.ndarray:
    return np.array(rows, float).reshape(-1, 5)


ONE = (10.0, 10.0, 110.0, 110.0)
FAR = (300.0, 300.0, 400.0, 400.0)


@pytest.mark.parametrize(
    ("found", "map50", "map_"),
    [
        pytest.param(boxes((*ONE, 0.9, 0)), 1.0, 1.0, id="perfect"),
        pytest.param(boxes(), 0.0, 0.0, id="nothing found"),
        pytest.param(boxes((*ONE, 0.9, 1)), 0.0, 0.0, id="the other class"),
        pytest.param(boxes((*FAR, 0.9, 0)), 0.0, 0.0, id="elsewhere"),
        pytest.param(boxes((*ONE, 0.5, 0), (*FAR, 0.9, 0)), 0.5, 0.5, id="a surer box is wrong: precision 1/2"),
        pytest.param(boxes((*ONE, 0.9, 0), (*FAR, 0.5, 0)), 1.0, 1.0, id="a less sure box is wrong: no loss"),
        pytest.param(boxes((*ONE, 0.9, 0), (*ONE, 0.8, 0)), 1.0, 1.0, id="twice"),
        pytest.param(boxes((10.0, 10.0, 110.0, 72.0, 0.9, 0)), 1.0, 0.3, id="IoU 0.62: good at 0.50, 0.55, 0.60"),
    ],
)
def test_one_label(found: Detections, map50: float, map_: float) -> None:
    (cat,) = average_precision([found], [truth((0, *ONE))], names=NAMES)
    assert (cat.class_id, cat.name, cat.labels) == (0, "cat", 1)
    assert (cat.coco_map50, cat.coco_map) == pytest.approx((map50, map_))
    if map50 in (0.0, 1.0):
        assert cat.map50 == pytest.approx(map50 * 0.995)  # ultralytics' curve ends at 0, half a hundredth before 1


def test_half_the_labels_found() -> None:
    (cat,) = average_precision([boxes((*ONE, 0.9, 0))], [truth((0, *ONE), (0, *FAR))], names=NAMES)
    assert cat.coco_map50 == pytest.approx(51 / 101)  # the recalls 0, 0.01, ... 0.50
    assert cat.map50 == pytest.approx(0.5, abs=0.006)


def test_classes_without_labels_are_in_no_mean() -> None:
    found = [boxes((*ONE, 0.9, 1), (*ONE, 0.8, 0)), boxes()]
    result = average_precision(found, [truth((1, *ONE)), truth()], names=NAMES)
    (dog,) = result
    assert dog.name == "dog" and dog.coco_map == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_area_is_that_of_ultralytics(seed: int) -> None:
    """Its ap_per_class, over matches of its own, on random boxes with many near misses."""
    torch = pytest.importorskip("torch")
    validator = pytest.importorskip("ultralytics.engine.validator")
    metrics = pytest.importorskip("ultralytics.utils.metrics")
    random = np.random.default_rng(seed)
    found, labelled, columns = [], [], []
    for _ in range(20):
        corner = random.uniform(0, 500, (6, 2))
        corners = np.concatenate([corner, corner + random.uniform(20, 200, (6, 2))], axis=1)
        rows = np.column_stack([random.integers(0, 2, 6), corners])
        moved = np.repeat(corners, 3, axis=0) + random.normal(0, 12, (18, 4))
        some = Detections(
            moved.astype(np.float32),
            random.uniform(0.01, 1, 18).astype(np.float32),
            np.repeat(rows[:, 0], 3).astype(int),
        )
        some = some[np.argsort(-some.confidence)]
        found.append(some)
        labelled.append(rows)
        hits = validator.BaseValidator.match_predictions(
            type("Validator", (), {"iouv": torch.linspace(0.5, 0.95, 10)})(),
            torch.tensor(some.class_id.copy()),
            torch.tensor(rows[:, 0]),
            metrics.box_iou(torch.tensor(rows[:, 1:]), torch.tensor(some.xyxy.astype(float))),
        )
        columns.append((hits.numpy(), some.confidence, some.class_id, rows[:, 0]))
    expected = metrics.ap_per_class(*(np.concatenate(column) for column in zip(*columns, strict=True)))[5]
    result = average_precision(found, labelled, names=NAMES)
    assert [entry.map50 for entry in result] == pytest.approx(expected[:, 0], abs=1e-6)
    assert [entry.map for entry in result] == pytest.approx(expected.mean(axis=1), abs=1e-6)


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
    fewer = validate(DEMO_ONNX, data, images=Dataset.open(data).images[:3])
    assert fewer.images == 3


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


def spoil(data: Path, label: str) -> None:
    (data.parent / "labels" / "0003.txt").write_text(label)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("7 0.5 0.5 0.1 0.1", r"0003.txt, line 1: class 7 is not one of the 6 classes, 0 to 5"),
        ("0 0.5 0.5 0.1 0.1\n1 320 200 64 64", r"0003.txt, line 2: coordinates are shares"),
        ("0 0.5 0.5 0.1", r"0003.txt, line 1 has 4 numbers"),
        ("0 0.5 nan 0.1 0.1", r"coordinates are shares"),
        ("ball 0.5 0.5 0.1 0.1", r"0003.txt, line 1: 'ball 0.5 0.5 0.1 0.1' is not numbers"),
        ("nan 0.5 0.5 0.1 0.1", r"class nan is not one"),
        ("0 0.5 0.5 -0.005 0.1", r"no negative width"),
    ],
)
def test_bad_labels(data: Path, label: str, message: str) -> None:
    spoil(data, label)
    with pytest.raises(DatasetError, match=message):
        validate(DEMO_ONNX, data)


def test_labels_may_be_polygons_and_come_once(data: Path) -> None:
    spoil(data, "2 0.1 0.2 0.5 0.3 0.4 0.9\n\n2 0.1 0.2 0.5 0.3 0.4 0.9\n")
    rows = labels(data.parent / "images" / "0003.jpg", classes=6)
    assert rows is not None and rows.tolist() == [[2, 0.1, 0.2, 0.5, 0.9]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val: images\nnc: 5\nnames: [a, b]", r"says nc: 5, but names 2 classes"),
        ("val: images\nnames: {0: a, 2: b}", r"class ids under 'names' are not 0 to 1"),
        ("val: images", r"has no class names"),
        ("names: [a]", r"names no 'val' images"),
        ("val: pictures\nnames: [a]", r"names pictures, but there is no"),
        ("val: labels\nnames: [a]", r"names .*labels, where there are no images"),
        ("just text", r"is not a data.yaml"),
        ("a: [", r"cannot read"),
    ],
)
def test_bad_data_yaml(data: Path, text: str, message: str) -> None:
    data.write_text(text)
    with pytest.raises(DatasetError, match=message):
        validate(DEMO_ONNX, data)


def test_no_data_yaml_at_all() -> None:
    with pytest.raises(DatasetError, match=r"demo\.onnx is not a data\.yaml: give the one with"):
        validate(DEMO_ONNX, DEMO_ONNX)


@needs_ort
def test_other_classes_than_the_models(data: Path, tmp_path: Path) -> None:
    data.write_text("val: images\nnames: [a, b, c, d, e, f, g]")
    with pytest.raises(DatasetError, match=r"has 7 classes, the model 6"):
        validate(DEMO_ONNX, data, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_other_names_than_the_models(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Counted by number, as ultralytics does; but it may be another order of the classes."""
    data.write_text("val: images\nnames: [ball, flask, box, cone, ring, star]\n")
    validate(DEMO_ONNX, data)
    assert f"class 1 is 'bottle' in the model and 'flask' in {data}" in caplog.text


@needs_ort
def test_no_labels_at_all(data: Path) -> None:
    shutil.rmtree(data.parent / "labels")
    with pytest.raises(DatasetError, match=r"none of the 8 images has labels: expected for example .*labels/0000.txt"):
        validate(DEMO_ONNX, data)


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
    assert lines[:2] == [f"1: {DEMO_ONNX}", f"2: {DEMO_ONNX}"] and lines[4].startswith("all")
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
@pytest.mark.parametrize("name", ["yolov8n", "yolo11n"])
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
