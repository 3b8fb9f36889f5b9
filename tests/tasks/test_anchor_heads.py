"""YOLOv5 and YOLOv7 as others export them, whole networks through onnxruntime, against their published formulas."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes import other_networks
from tests.fakes.encode import split_metadata
from tests.fakes.other_networks import IMAGES, anchored, anchored_rows, shown
from tests.fakes.rknn_files import write_rknn
from tests.tasks.others import assert_same, kept_by_brute_force, run
from yolorknn import Detector, MetadataError, ModelError, build
from yolorknn.cli.app import app
from yolorknn.image import Letterbox
from yolorknn.model import rknn_file
from yolorknn.model.anchor_sizes import PUBLISHED, by_stride, given_anchors
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.predict.open_model import read_metadata
from yolorknn.tasks.agreement import agreement, total
from yolorknn.tasks.describe import describe
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.tasks.task import Thresholds

CLASSES = 4
ANCHORS = (6, 9, 12, 10, 9, 20, 17, 14, 22, 33, 34, 21, 40, 52, 60, 41, 90, 77)


def by_the_formula(
    outputs: list[NDArray[np.float32]], anchors: tuple[float, ...], conf: float
) -> list[tuple[int, float, list[float]]]:
    """The paper's arithmetic, box by box: centre (2x - 0.5 + cell) * stride, size (2w)^2 * the anchor box's."""
    found = []
    for level, output in enumerate(outputs):
        stride, (_, channels, height, width) = 8 * 2**level, output.shape
        count = channels // 3
        for anchor in range(3):
            for row in range(height):
                for column in range(width):
                    x, y, w, h, sure, *scores = map(
                        float, output[0, anchor * count : (anchor + 1) * count, row, column]
                    )
                    score = max(scores) * sure if len(scores) > 1 else sure
                    if score <= conf:
                        continue
                    cx, cy = (2 * x - 0.5 + column) * stride, (2 * y - 0.5 + row) * stride
                    w = (2 * w) ** 2 * anchors[6 * level + 2 * anchor]
                    h = (2 * h) ** 2 * anchors[6 * level + 2 * anchor + 1]
                    found.append((int(np.argmax(scores)), score, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]))
    return found


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model zoo's layout, with the file that Rockchip's fork writes beside it in a folder of its own."""
    path = tmp_path_factory.mktemp("zoo") / "v5.onnx"
    return other_networks.write(path, anchored(CLASSES), names=["a", "b", "c"])


@needs_torch
@needs_ort
def test_boxes_are_those_of_the_published_formula(zoo: Path) -> None:
    with Detector(zoo, anchors=ANCHORS, conf=0.3, iou=0.5) as detector:
        assert detector.metadata.anchors == (ANCHORS[:6], ANCHORS[6:12], ANCHORS[12:])
        for image, pixels in zip(IMAGES, shown(), strict=True):
            expected = kept_by_brute_force(by_the_formula(run(zoo, pixels), ANCHORS, 0.3), iou=0.5)
            assert len(expected) > 3, "there is something to compare"
            assert_same(detector.detect(image), expected, image)
        facts = describe(zoo, anchors=given_anchors(ANCHORS))
        assert facts["roles"] == {o.name: f"anchored of stride {o.stride}" for o in detector.metadata.outputs}
    assert "sizes are not in the file" in describe(zoo)["metadata"]


@needs_torch
@needs_ort
def test_of_one_class_the_objectness_is_the_score(tmp_path: Path) -> None:
    path = other_networks.write(tmp_path / "one.onnx", anchored(1), names=["a", "b", "c"])
    with Detector(path, anchors=ANCHORS, conf=0.6, iou=0.5) as detector:
        expected = kept_by_brute_force(by_the_formula(run(path, shown()[0]), ANCHORS, 0.6), iou=0.5)
        assert expected
        assert_same(detector.detect(IMAGES[0]), expected, IMAGES[0])


@needs_torch
@needs_ort
def test_yolov5_decoded_finds_the_same(zoo: Path, tmp_path: Path) -> None:
    path = other_networks.write(tmp_path / "rows.onnx", anchored_rows(CLASSES, ANCHORS), names=["output0"])
    with Detector(zoo, anchors=ANCHORS, conf=0.3) as expecting, Detector(path, conf=0.3) as detector:
        assert detector.metadata.outputs == (("output0", "rows", 0),)
        for image in IMAGES:
            expected, found = expecting.detect(image), detector.detect(image)
            assert len(expected) == len(found) > 3
            assert found.xyxy == pytest.approx(expected.xyxy, abs=0.01)
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)
            assert found.class_id.tolist() == expected.class_id.tolist()


@needs_torch
@needs_ort
def test_sizes_are_given_stand_beside_the_model_or_in_it(
    zoo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import onnx

    model = Path(shutil.copy(zoo, tmp_path / "v5.onnx"))
    with pytest.raises(
        MetadataError, match=r"YOLOv5 or YOLOv7.*whose sizes are not in the file.*YOLOv7-tiny's go by its own"
    ):
        Detector(model)
    for anchors in ("yolov5", PUBLISHED["yolov5"]):
        with Detector(model, anchors=anchors) as detector:
            assert sum(detector.metadata.anchors, ()) == PUBLISHED["yolov5"]
    beside = tmp_path / "RK_anchors.txt"
    beside.write_text("".join(f"{size}\n" for size in ANCHORS))
    with Detector(model) as detector:
        assert sum(detector.metadata.anchors, ()) == ANCHORS
    assert caplog.messages == [f"{model} does not say the sizes of its anchor boxes: they are taken from {beside}"]
    with Detector(model, anchors="yolov7") as detector:
        assert sum(detector.metadata.anchors, ()) == PUBLISHED["yolov7"], "what is said counts before what lies there"
    (tmp_path / "v5.anchors.txt").write_text(", ".join(map(str, PUBLISHED["yolov7"])))
    with Detector(model) as detector:
        assert sum(detector.metadata.anchors, ()) == PUBLISHED["yolov7"], "a file of the model's own name comes first"
    graph = onnx.load(str(model))
    graph.metadata_props.add(key="anchors", value=str(np.array(ANCHORS).reshape(3, 3, 2).tolist()))
    onnx.save(graph, str(model))
    with Detector(model) as detector:
        assert sum(detector.metadata.anchors, ()) == ANCHORS, "what the file says counts before what lies beside it"


@needs_torch
@needs_ort
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "10 13 16 30 33 23",
            "3 anchor boxes were given, but the model has 3 a cell at each of 3 strides: 9 are needed",
        ),
        (" ".join(map(str, ANCHORS[12:] + ANCHORS[6:12] + ANCHORS[:6])), "in another order than the strides"),
        (" ".join(str(size / 32) for size in ANCHORS), "in cells: give them in pixels, each times its stride"),
        (" ".join(str(size / 640) for size in ANCHORS), "shares of the input: give them in pixels"),
        ("10 13 16", "3 numbers that are not widths and heights"),
        (" ".join(["nan"] * 18), "18 numbers that are not widths and heights"),
        (" ".join(["-5"] * 18), "18 numbers that are not widths and heights"),
        ("person car", "is not a list of anchor boxes"),
        ("", "0 numbers that are not"),
    ],
)
def test_anchors_that_do_not_fit(zoo: Path, tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "anchors.txt"
    file.write_text(text)
    done = CliRunner().invoke(app, ["detect", str(IMAGES[0]), "-m", str(zoo), "--anchors", str(file)])
    assert isinstance(done.exception, ModelError) and words in str(done.exception)
    assert str(done.exception).count(". ") == 0, "one sentence"


@needs_torch
@needs_ort
def test_anchors_that_may_be_in_cells_are_told(zoo: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In cells of 32 pixels those of a network of large objects; a network of tiny objects has such in pixels."""
    with Detector(zoo, anchors=ANCHORS):
        assert not caplog.text
    with Detector(zoo, anchors=[size / 5 for size in ANCHORS]):
        assert "its anchor boxes are of at most 18 pixels: if they were given in cells" in caplog.text


def test_anchors_that_are_not_there_or_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the anchors in yolov6 .* or yolov5 or yolov7"):
        given_anchors("yolov6")
    file = rknn_file.read(write_rknn(tmp_path / "m.rknn", split_metadata((64, 64), 4), custom=None))
    with pytest.raises(MetadataError, match="has no outputs of anchor boxes: leave out --anchors"):
        metadata_of(file, anchors=PUBLISHED["yolov5"])


def test_anchors_for_an_onnx_without_such_outputs(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnx")
    assert not read_metadata(DEMO_ONNX, anchors=PUBLISHED["yolov5"]).anchors
    assert "demo.onnx has no outputs of anchor boxes: --anchors is not used for it" in caplog.text


def test_names_for_an_onnx_that_has_its_own(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnx")
    own = read_metadata(DEMO_ONNX).names
    assert read_metadata(DEMO_ONNX, names=list(own)).names == own and not caplog.text
    assert read_metadata(DEMO_ONNX, names=["a", "b"]).names == own
    assert "demo.onnx has names of its own for its classes: --names is not used for it" in caplog.text


def test_a_rknn_of_others(tmp_path: Path) -> None:
    """In int8 its outputs are from 0 to 1; that it is such a head, the sizes or the number of classes say."""
    outputs = tuple(Output(f"o{stride}", "anchored", stride) for stride in (8, 16, 32))
    groups = tuple(tuple(map(float, ANCHORS[at : at + 6])) for at in (0, 6, 12))
    stated = ModelMetadata(tuple("abcd"), (64, 96), "split", outputs, anchors=groups)
    file = rknn_file.read(write_rknn(tmp_path / "m.rknn", stated, custom=None))
    found = metadata_of(file, anchors=ANCHORS)
    assert (found.outputs, found.anchors, len(found.names)) == (outputs, groups, 4)
    with pytest.raises(MetadataError, match=r"may be of YOLOv5 or YOLOv7.*which nothing in the file proves"):
        metadata_of(file)
    with pytest.raises(MetadataError, match="whose sizes are not in the file"):
        metadata_of(file, names=["a", "b", "c", "d"])
    raw = replace(file, ranges={output.name: (-7.0, 7.0) for output in file.outputs})
    with pytest.raises(MetadataError, match="no Sigmoid is behind its outputs"):
        metadata_of(raw, anchors=ANCHORS)


@pytest.mark.parametrize("role", ["anchored", "yolox", "rows"])
def test_a_made_up_scene_has_something_in_it(role: str) -> None:
    groups = tuple(tuple(map(float, ANCHORS[at : at + 6])) for at in (0, 6, 12)) if role == "anchored" else ()
    outputs = tuple(Output(f"o{stride}", role, stride) for stride in (8, 16, 32))
    if role == "rows":
        metadata = ModelMetadata(tuple("abc"), (320, 320), "decoded", (Output("o", role, 0),))
    else:
        metadata = ModelMetadata(tuple("abc"), (320, 320), "split", outputs, anchors=groups)
    task = task_of(metadata)
    placed = Letterbox.fit(metadata.imgsz, metadata.imgsz)
    assert len(task.decode(task.scene(metadata), metadata, Thresholds(), placed)) > 3


def test_sizes_go_to_outputs_by_their_stride() -> None:
    assert by_stride(tuple(map(float, ANCHORS)), [32, 8, 16], 3) == (
        ANCHORS[12:], ANCHORS[:6], ANCHORS[6:12],
    )  # fmt: skip


@needs_torch
@needs_ort
def test_logits_are_not_taken_for_scores(tmp_path: Path) -> None:
    """Without a Sigmoid it may be YOLOv3, which has another formula."""
    path = other_networks.write(tmp_path / "raw.onnx", anchored(CLASSES, sigmoid=False), names=["a", "b", "c"])
    with pytest.raises(MetadataError, match=r"may be of YOLOv5 or YOLOv7.*or of YOLOv3 or YOLOv4, as no Sigmoid"):
        Detector(path, anchors=ANCHORS)


@pytest.mark.slow
@needs_torch
@needs_toolkit
@pytest.mark.toolkit
def test_in_int8_on_the_simulator(zoo: Path, tmp_path: Path) -> None:
    """Built with images letterboxed as the detector's, its .rknn says all; its boxes are the float model's."""
    model = Path(shutil.copy(zoo, tmp_path / "v5.onnx"))
    made = build(model, dataset=DATASET / "images", anchors=ANCHORS, names=list("abcd"))
    runner = CliRunner()
    facts = json.loads(runner.invoke(app, ["info", str(made), "--json"]).stdout)
    assert facts["anchors"] == [list(map(float, ANCHORS[at : at + 6])) for at in (0, 6, 12)]
    assert facts["names"] == list("abcd")
    with Detector(made, simulate=True, conf=0.4) as chip, Detector(model, anchors=ANCHORS, conf=0.4) as exact:
        rows = [agreement(str(image), exact.detect(image), chip.detect(image)) for image in IMAGES]
    found = total(rows)
    assert found.expected > 20 and abs(found.found - found.expected) < found.expected / 10
    assert found.share > 0.5, "random class scores are close to each other, and int8 exchanges some"
    assert np.median(found.ious) > 0.85
