"""mAP of boxes against labels: matched by pycocotools, averaged as ultralytics averages.

pycocotools matches each box to a label, the most confident first, at each IoU of 0.50, 0.55, ... 0.95
(https://cocodataset.org/#detection-eval). COCO's AP is the mean of the precision at 101 recalls, each read at the next
point of the curve. ultralytics' val interpolates linearly between the points and integrates over the recall, so that a
perfect class has 0.995; over few images the two differ by some thousandths. Both are reported, and `map` means
ultralytics', as that is the number a user has seen in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import MissingDependencyError
from yolorknn.measure.annotations import Annotations, Kind, of_boxes
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.rotated import overlaps

RECALLS = np.linspace(0, 1, 101)
IOUS = 10
"""0.50, 0.55, ... 0.95."""


@dataclass(frozen=True)
class ClassAP:
    """Average precision of one class, 0 to 1.

    Attributes:
        class_id: index into the names.
        name: the class's name.
        labels: how many labels it has.
        map50: AP at IoU 0.5.
        map: mean AP over IoU 0.50 to 0.95.
        coco_map50: map50 as COCO defines it.
        coco_map: map as COCO defines it.
    """

    class_id: int
    name: str
    labels: int
    map50: float
    map: float
    coco_map50: float
    coco_map: float


def average_precision(
    found: Sequence[Detections],
    truth: Sequence[NDArray[np.float64]],
    *,
    names: Sequence[str],
    max_det: int = 300,
) -> tuple[ClassAP, ...]:
    """Return the AP of the boxes of every class that has labels, in the order of the class ids.

    Args:
        found: the boxes of each image, in pixels.
        truth: the labels of each image, (N, 5): class id and xyxy in the same pixels.
        names: class names.
        max_det: at most so many boxes of one class in one image are matched, the most confident.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    marked = [Annotations((0, 0), of_boxes(rows[:, 1:], rows[:, 0])) for rows in truth]
    boxes = [Annotations((0, 0), of_boxes(some.xyxy, some.class_id, some.confidence)) for some in found]
    return precision_of(boxes, marked, kind="bbox", names=names, max_det=max_det)


def precision_of(
    found: Sequence[Annotations],
    truth: Sequence[Annotations],
    *,
    kind: Kind,
    names: Sequence[str],
    max_det: int,
    sigmas: Sequence[float] = (),
) -> tuple[ClassAP, ...]:
    """Return the AP of every class that has labels, in the order of the class ids.

    Args:
        found: of each image.
        truth: of each image.
        kind: how two objects are compared.
        names: class names.
        max_det: at most so many objects of one class in one image are matched, the most confident.
        sigmas: of keypoints, how far people who mark each are apart.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO  # noqa: PLC0415
        from pycocotools.cocoeval import COCOeval  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError("pycocotools", "val", "measuring mAP") from exc
    marked = [row["category_id"] for image in truth for row in image.objects]
    counts = np.bincount(np.array(marked, int), minlength=len(names))
    classes = [int(class_id) for class_id in np.flatnonzero(counts)]
    sets = []
    for images in (truth, found):
        flat = [
            {**row, "image_id": number}
            for number, image in enumerate(images)
            for row in image.objects
            if row.get("num_keypoints") != 0  # pycocotools would ignore who is found there; ultralytics does not
        ]
        coco = _quiet(COCO, "createIndex")()
        coco.dataset = {
            "images": [
                {"id": number, "height": image.size[0], "width": image.size[1]} for number, image in enumerate(images)
            ],
            "categories": [{"id": class_id} for class_id in range(len(names))],
            "annotations": [{**annotation, "id": number} for number, annotation in enumerate(flat, 1)],
        }
        coco.createIndex()
        sets.append(coco)
    evaluation = _quiet(COCOeval, "evaluate", "accumulate")(*sets, "bbox" if kind == "rotated" else kind)
    evaluation.params.catIds = classes
    evaluation.params.maxDets = [max_det]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, float("inf")]], ["all"]
    if kind == "keypoints":
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    if kind == "rotated":
        evaluation.computeIoU = partial(_turned, evaluation)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.maximum(evaluation.eval["precision"][..., 0, 0], 0)  # (IoU, recall, class); -1 is of none to find
    matches: dict[int, list[Any]] = {class_id: [] for class_id in classes}
    for entry in evaluation.evalImgs:
        if entry is not None:
            matches[entry["category_id"]].append(entry)
    result = []
    for column, class_id in enumerate(classes):
        each = _interpolated(matches[class_id], int(counts[class_id]))
        coco_each = precision[:, :, column].mean(axis=1)
        values = (each[0], each.mean(), coco_each[0], coco_each.mean())
        result.append(ClassAP(class_id, names[class_id], int(counts[class_id]), *(float(value) for value in values)))
    return tuple(result)


def _quiet(kind: Any, *names: str) -> Any:
    """Return a class of pycocotools' whose methods of these names print nothing.

    To take away stdout meanwhile would take it from all threads, and of two at once for good.
    """
    made = {}
    for name in names:
        method = getattr(kind, name)
        told = {**method.__globals__, "print": lambda *_, **__: None}
        made[name] = FunctionType(method.__code__, told, name, method.__defaults__, method.__closure__)
    return type(kind.__name__, (kind,), made)


def _turned(evaluation: Any, image: int, class_id: int) -> Any:
    """Return the overlaps of an image's turned boxes of one class, (found, marked), as COCOeval.computeIoU does."""
    truth, found = evaluation._gts[image, class_id], evaluation._dts[image, class_id]
    if not truth or not found:
        return []
    order = np.argsort([-row["score"] for row in found], kind="mergesort")[: evaluation.params.maxDets[-1]]
    return overlaps(np.stack([found[i]["turned"] for i in order]), np.stack([row["turned"] for row in truth]))


def _interpolated(matches: list[Any], labels: int) -> NDArray[np.float64]:
    """Return the AP at each IoU (10,): ultralytics' area under the precision envelope, over pycocotools' matches.

    The curve begins at precision 1 and recall 0, and falls to 0 at the highest recall reached.
    """
    areas = np.zeros(IOUS)
    scores = np.concatenate([np.zeros(0), *(entry["dtScores"] for entry in matches)])
    if len(scores) == 0:
        return areas
    hits = np.concatenate([entry["dtMatches"] > 0 for entry in matches], axis=1)[:, np.argsort(-scores, kind="stable")]
    for number, hit in enumerate(hits):
        true = np.cumsum(hit)
        recall = true / labels
        precision = true / np.arange(1, len(hit) + 1)
        envelope = np.maximum.accumulate(np.concatenate([[1.0], precision, [0.0, 0.0]])[::-1])[::-1]
        curve = np.interp(RECALLS, np.concatenate([[0.0], recall, [recall[-1], 1.0]]), envelope)
        areas[number] = (curve[1:] + curve[:-1]).sum() / 2 * (RECALLS[1] - RECALLS[0])
    return areas
