"""mAP against known answers, and against ultralytics' own sums."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from yolorknn import Detections
from yolorknn.measure.average_precision import average_precision

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


def test_stdout_stays_the_programs_meanwhile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two threads that measure left all others without one for good."""
    from pycocotools.cocoeval import COCOeval

    seen, compute = list[bool](), COCOeval.computeIoU

    def computing(*given: Any) -> Any:
        seen.append(sys.stdout is ours)
        return compute(*given)

    ours = sys.stdout
    monkeypatch.setattr(COCOeval, "computeIoU", computing)
    average_precision([boxes((*ONE, 0.9, 0))], [truth((0, *ONE))], names=NAMES)
    assert seen and all(seen) and capsys.readouterr().out == ""
