"""mAP over labelled images, computed by ultralytics' own functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from yolorknn import Detector
from yolorknn.image import Image, read_image


def labels_of(path: Path, image: Image) -> np.ndarray:
    """Return (N, 5): class id and xyxy in pixels."""
    text = path.parent.parent.parent / "labels" / path.parent.name / f"{path.stem}.txt"
    if not text.exists():
        text = path.parent.parent / "labels" / f"{path.stem}.txt"
    rows = [[float(value) for value in line.split()] for line in text.read_text().splitlines()] if text.exists() else []
    boxes = np.array(rows, float).reshape(-1, 5)
    height, width = image.shape[:2]
    centre, half = boxes[:, 1:3] * (width, height), boxes[:, 3:5] * (width, height) / 2
    return np.concatenate([boxes[:, :1], centre - half, centre + half], axis=1)


def mean_ap(detector: Detector, images: Sequence[Path]) -> float:
    """Return mAP50-95 of a detector made with conf=0.001 and multi_label=True, as ultralytics' val uses."""
    import torch
    from ultralytics.engine.validator import BaseValidator
    from ultralytics.utils.metrics import ap_per_class, box_iou

    validator = SimpleNamespace(iouv=torch.linspace(0.5, 0.95, 10))
    columns: list[list[np.ndarray]] = [[], [], [], []]
    for path in images:
        image = read_image(path)
        truth, found = labels_of(path, image), detector.detect(image)
        iou = box_iou(torch.tensor(truth[:, 1:]), torch.tensor(found.xyxy.astype(float)))
        hits = BaseValidator.match_predictions(
            validator, torch.tensor(found.class_id.copy()), torch.tensor(truth[:, 0]), iou
        )
        for column, value in zip(columns, (hits.numpy(), found.confidence, found.class_id, truth[:, 0]), strict=True):
            column.append(value)
    statistics = [np.concatenate(column) for column in columns]
    return float(ap_per_class(*statistics)[5].mean())
