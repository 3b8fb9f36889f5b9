"""Labels of one task given to a model of another: one sentence each, and none where they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from yolorknn.data.dataset import Labelled
from yolorknn.data.labels import Labels
from yolorknn.errors import DatasetError
from yolorknn.measure.annotations import unfit
from yolorknn.measure.val import _check_data
from yolorknn.model.metadata import ModelMetadata, Output

SQUARE = np.array([[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]])
POLYGON = np.vstack([SQUARE, [[0.05, 0.2]]])
OUTLINES = {"boxes": None, "polygons": POLYGON, "corners": SQUARE, "3 keypoints": None, "5 keypoints": None}


def labels(kind: str) -> Labels:
    """Two objects, marked as people mark them for a task."""
    boxes = np.array([[0, 0.1, 0.1, 0.4, 0.4]] * 2)
    return Labels(boxes, (OUTLINES[kind],) * 2, np.zeros((2, int(kind[0]) if "keypoints" in kind else 0, 3)))


def model(task: str) -> ModelMetadata:
    keypoints = ("a", "b", "c") if task == "pose" else ()
    return ModelMetadata(("x",), (64, 64), "split", (Output("o", "box", 8),), task=task, keypoints=keypoints)


@pytest.mark.parametrize(
    ("task", "kind", "why"),
    [
        ("detect", "boxes", ""),
        ("detect", "polygons", ""),  # as ultralytics, which takes the boxes around them
        ("detect", "corners", ""),
        ("detect", "3 keypoints", "which has no keypoints, as the 3 of its kpt_shape"),
        ("segment", "boxes", "which needs a polygon for each object"),
        ("segment", "polygons", ""),
        ("segment", "3 keypoints", "which has no keypoints, as the 3 of its kpt_shape"),
        ("pose", "boxes", "which has 3 keypoints and not 0"),
        ("pose", "3 keypoints", ""),
        ("pose", "5 keypoints", "which has 3 keypoints and not 5"),
        ("obb", "boxes", "which needs four corners for each object"),
        ("obb", "polygons", "which needs four corners for each object"),
        ("obb", "corners", ""),
        ("obb", "3 keypoints", "which has no keypoints, as the 3 of its kpt_shape"),
    ],
)
def test_labels_of_another_task(task: str, kind: str, why: str) -> None:
    assert unfit(labels(kind), model(task)) == why
    truth = Labelled(Path("data.yaml"), ("x",), (Path("images/1.jpg"),), (labels(kind),))
    if not why:
        _check_data(model(task), truth)
        return
    with pytest.raises(DatasetError) as told:
        _check_data(model(task), truth)
    trained = "give the data.yaml that it was trained with"
    assert str(told.value) == f"labels/1.txt is not of the model's task '{task}', {why}: {trained}"


def test_other_classes() -> None:
    truth = Labelled(Path("data.yaml"), ("x", "y"), (Path("images/1.jpg"),), (None,))
    with pytest.raises(DatasetError, match=r"^data\.yaml has 2 classes, the model 1: give the data\.yaml that"):
        _check_data(model("detect"), truth)
