"""mAP of masks, poses and turned boxes against ultralytics' own matching and averaging, on objects that stand apart."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_torch
from yolorknn import Detections
from yolorknn.data.labels import Labels
from yolorknn.measure.annotations import Kind, of_found, of_labels, usual_sigmas
from yolorknn.measure.average_precision import precision_of
from yolorknn.measure.predictions import Prediction
from yolorknn.tasks.rotated import boxes_of, corners_of, overlaps

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")
pytestmark = needs_torch

SIZE = (400, 600)
NAMES = ("a", "b")
KEYPOINTS = 5


def scene(seed: int) -> tuple[Labels, Detections]:
    """A dozen objects in a grid; what was found of them is moved, some is missing, and some is not there."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[50:400:100, 50:600:100].reshape(2, -1)
    chosen = rng.permutation(len(x))[:12]
    boxes = np.stack([x, y, rng.uniform(30, 60, 24), rng.uniform(15, 40, 24), rng.uniform(-1, 2, 24)], axis=1)
    class_id, truth = rng.integers(0, 2, 24), boxes[chosen]
    corners = corners_of(truth.astype(np.float32)).astype(float)
    points = truth[:, None, :2] + rng.uniform(-15, 15, (12, KEYPOINTS, 2))
    seen = rng.integers(0, 3, (12, KEYPOINTS, 1))
    seen[0] = 0
    upright = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1) / np.tile(SIZE[::-1], 2)
    labels = Labels(
        np.column_stack([class_id[chosen], upright]),
        tuple(corners / SIZE[::-1]),
        np.concatenate([points / SIZE[::-1], seen], axis=2),
    )
    off = rng.choice([0.5, 2, 5, 9], 24)[:, None]
    moved = boxes + rng.normal(0, 1, boxes.shape) * off * (1, 1, 1, 1, 0.01)
    turned = corners_of(moved.astype(np.float32))
    guessed = boxes[:, None, :2] + rng.uniform(-15, 15, (24, KEYPOINTS, 2))
    mine = np.concatenate([guessed, np.ones((24, KEYPOINTS, 1))], axis=2)
    mine[chosen, :, :2] = points + rng.normal(0, 1, points.shape) * off[chosen, None] / 2
    mask = np.zeros((24, *SIZE), np.uint8)
    for canvas, outline in zip(mask, turned, strict=True):
        cv2.fillPoly(canvas, [outline.astype(np.int32)], (1,))
    found = Detections(
        np.concatenate([turned.min(axis=1), turned.max(axis=1)], axis=1),
        rng.permutation(24) / 30 + seed / 1000, class_id,
        mask=mask.astype(bool), keypoints=mine, xyxyxyxy=turned,
    )  # fmt: skip
    return labels, found[np.argsort(-found.confidence)[:20]]


def similarity(kind: Kind, labels: Labels, found: Detections) -> NDArray[np.float64]:
    """By ultralytics' functions."""
    import torch
    from ultralytics.utils.metrics import batch_probiou, kpt_iou, mask_iou

    corners = np.stack([outline for outline in labels.outlines if outline is not None]) * SIZE[::-1]
    assert found.mask is not None and found.keypoints is not None and found.xyxyxyxy is not None
    if kind == "segm":
        canvas = np.zeros((len(corners), *SIZE), np.uint8)
        for one, outline in zip(canvas, corners, strict=True):
            cv2.fillPoly(one, [outline.astype(np.int32)], (1,))
        pair = (torch.from_numpy(masks.reshape(len(masks), -1).astype(np.float32)) for masks in (canvas, found.mask))
        return np.asarray(mask_iou(*pair))
    if kind == "rotated":
        return np.asarray(batch_probiou(boxes_of(corners), boxes_of(found.xyxyxyxy).astype(float)))
    sides = (labels.boxes[:, 3:] - labels.boxes[:, 1:3]) * SIZE[::-1]
    points = torch.from_numpy(labels.keypoints * (*SIZE[::-1], 1))
    area = torch.from_numpy(sides.prod(axis=1) * 0.53)
    return np.asarray(kpt_iou(points, torch.tensor(found.keypoints.astype(float)), area, [1 / KEYPOINTS] * KEYPOINTS))


@pytest.mark.parametrize("kind", ["segm", "keypoints", "rotated"])
def test_average_precision_is_ultralytics(kind: Kind) -> None:
    import torch
    from ultralytics.engine.validator import BaseValidator
    from ultralytics.utils.metrics import ap_per_class

    validator = SimpleNamespace(iouv=torch.linspace(0.5, 0.95, 10))
    scenes = [scene(seed) for seed in range(8)]
    columns: list[list[NDArray[np.float64]]] = [[], [], [], []]
    for labels, found in scenes:
        like = torch.tensor(similarity(kind, labels, found))
        classes = torch.tensor(found.class_id.copy()), torch.tensor(labels.boxes[:, 0])
        hits = BaseValidator.match_predictions(validator, *classes, like)
        for column, value in zip(
            columns, (hits.numpy(), found.confidence, found.class_id, labels.boxes[:, 0]), strict=True
        ):
            column.append(value)
    theirs = ap_per_class(*(np.concatenate(column) for column in columns))[5]
    ours = precision_of(
        [of_found(Prediction.of(found, SIZE), kind) for _, found in scenes],
        [of_labels(labels, SIZE, kind) for labels, _ in scenes],
        kind=kind,
        names=NAMES,
        max_det=300,
        sigmas=usual_sigmas([labels for labels, _ in scenes]),
    )
    assert 0.1 < theirs.mean() < 0.9
    assert [entry.map50 for entry in ours] == pytest.approx(theirs[:, 0], abs=0.002)
    assert [entry.map for entry in ours] == pytest.approx(theirs.mean(axis=1), abs=0.002)


def test_corners_and_boxes_are_each_other() -> None:
    corners = np.stack([outline for outline in scene(1)[0].outlines if outline is not None]) * SIZE[::-1]
    boxes = boxes_of(corners.astype(np.float32))
    assert np.allclose(corners_of(boxes), corners, atol=1e-3)
    assert np.allclose(np.diag(overlaps(boxes, boxes)), 1, atol=1e-3)


def test_poses_none_of_which_is_marked_may_not_be_found() -> None:
    """COCO's AP of nothing to find is -1, which is in no mean; ultralytics counts such labels, which nothing finds."""
    labels = Labels(np.array([[1, 0.1, 0.1, 0.4, 0.4]]), (None,), np.zeros((1, 3, 3)))
    nothing = Prediction.of(Detections.empty(), SIZE)
    truth = [of_labels(labels, SIZE, "keypoints")]
    (entry,) = precision_of(
        [of_found(nothing, "keypoints")], truth, kind="keypoints", names=NAMES, max_det=300, sigmas=(0.1,) * 3
    )
    assert (entry.labels, entry.map, entry.coco_map) == (1, 0, 0)
