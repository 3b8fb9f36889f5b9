"""What val measured, as values and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from yolorknn.measure.average_precision import ClassAP
from yolorknn.text import printable


@dataclass(frozen=True)
class ValReport:
    """What a model measured.

    Attributes:
        model: the model, as it was named.
        map50: mean of the classes' AP at IoU 0.5, as ultralytics' val defines it; see average_precision.py.
        map: mean of the classes' AP over IoU 0.50 to 0.95, as ultralytics' val defines it.
        coco_map50: map50 as COCO defines it.
        coco_map: map as COCO defines it.
        per_class: classes that have labels, in the order of the class ids.
        absent: names of the classes without a label in these images; they are in no mean.
        images: number of images.
        unlabelled: how many of them have no label file, and count as images of nothing.
        imgsz: height and width of the model's input.
        of: what was compared with the labels: "boxes", "masks", "keypoints" or "turned boxes".
    """

    model: str
    map50: float
    map: float
    coco_map50: float
    coco_map: float
    per_class: tuple[ClassAP, ...]
    absent: tuple[str, ...]
    images: int
    unlabelled: int
    imgsz: tuple[int, int]
    of: str = "boxes"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return asdict(self)


def table(reports: Sequence[ValReport]) -> str:
    """Return reports side by side: a row for all classes and one for each, with the difference to the first model."""
    first = reports[0]
    labelled = sum(entry.labels for entry in first.per_class)
    rows = [("all", labelled, [(report.map50, report.map) for report in reports])]
    for number, entry in enumerate(first.per_class):
        values = [(report.per_class[number].map50, report.per_class[number].map) for report in reports]
        rows.append((printable(entry.name), entry.labels, values))
    width = max(len(name) for name, _, _ in rows)
    lines = [
        f"{number}: {printable(report.model)} at {report.imgsz[1]}x{report.imgsz[0]}"
        for number, report in enumerate(reports, 1)
    ]
    lines.append(
        f"mAP of {first.images} images; +/-: difference to 1" if len(reports) > 1 else f"{first.images} images"
    )
    heads = [f"{number}: mAP50   mAP50-95" for number in range(1, len(reports) + 1)]
    lines.append(
        f"{'class':<{width}}  labels" + "".join(f"  {head:>{24 if i else 18}}" for i, head in enumerate(heads))
    )
    for name, count, values in rows:
        cells = [f"  {values[0][0]:>8.4f}  {values[0][1]:>8.4f}"]
        for pair in values[1:]:
            cells += [f"  {value:.4f}{value - base:>+8.4f}" for value, base in zip(pair, values[0], strict=True)]
        lines.append(f"{name:<{width}}  {count:>6}" + "".join(cells))
    return "\n".join(lines)
