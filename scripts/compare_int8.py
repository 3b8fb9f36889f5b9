"""Measure what int8 changes in what models find, on the vendor's simulator; the float model is taken for the truth.

    .venv/bin/python scripts/compare_int8.py yolov8n-seg.pt yolov8n-pose.pt --images coco128/images/train2017

The first --calibrate images of the folder, by name, are calibrated with (--swap: those after them), and the others
measured: each object that the float model finds with a confidence above 0.5 is looked for among those of its class that
the int8 model finds above 0.25, at a box IoU of 0.5 or more. OKS is of COCO's sigmas and the keypoints that the float
model sees; its mAP50-95, as COCO's, of all that the int8 model finds. A simulated image takes about a second.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn import Detections, Detector, export
from yolorknn.data.dataset import read_folder
from yolorknn.image import read_image
from yolorknn.measure.annotations import PEOPLE, PERSON, Annotations, of_boxes
from yolorknn.measure.average_precision import precision_of

TRUE, FOUND, SAME = 0.5, 0.25, 0.5
LARGE = 256
"""Objects of more than so many pixels, by the square root of the box's area, are told apart."""
Floats = NDArray[np.float64]


@dataclass
class Measured:
    """Of the objects of all images."""

    objects: int = 0
    corners: list[float] = field(default_factory=list)
    """Of each that was found, how far the worst edge of its box is off, in pixels."""
    sizes: list[float] = field(default_factory=list)
    boxes: list[float] = field(default_factory=list)
    """IoU."""
    scores: list[float] = field(default_factory=list)
    """How far they are apart."""
    masks: list[float] = field(default_factory=list)
    """IoU."""
    poses: list[tuple[Annotations, Annotations]] = field(default_factory=list)
    """Of each image, what the float model and the int8 model found."""

    def add(self, true: Detections, found: Detections, size: tuple[int, int]) -> None:
        """Compare an image."""
        true, found = true[np.flatnonzero(true.confidence >= TRUE)], found[np.flatnonzero(found.confidence >= FOUND)]
        self.objects += len(true)
        for one in range(len(true)):
            iou = overlaps(true.xyxy[one], found.xyxy) * (found.class_id == true.class_id[one])
            if not len(iou) or iou.max() < SAME:
                continue
            other = int(iou.argmax())
            self.corners.append(float(np.abs(true.xyxy[one] - found.xyxy[other]).max()))
            self.sizes.append(float(np.sqrt((true.xyxy[one, 2:] - true.xyxy[one, :2]).prod())))
            self.boxes.append(float(iou[other]))
            self.scores.append(abs(float(true.confidence[one] - found.confidence[other])))
            if true.mask is not None and found.mask is not None:
                a, b = true.mask[one], found.mask[other]
                self.masks.append(float((a & b).sum() / max(1, (a | b).sum())))
        if true.keypoints is not None:
            self.poses.append((poses(true, size, truth=True), poses(found, size, truth=False)))

    def row(self) -> Iterator[str]:
        """Return the table's cells."""
        corners, large = np.array(self.corners), np.array(self.sizes) > LARGE
        yield f"{len(self.corners)} of {self.objects}"
        yield f"{np.mean(self.boxes):.4f}"
        yield f"{corners.mean():.2f} / {np.percentile(corners, 95):.1f}"
        yield f"{corners[large].mean():.2f} / {np.percentile(corners[large], 95):.1f}" if large.any() else "-"
        yield f"{np.mean(self.scores):.4f}"
        yield f"{np.mean(self.masks):.4f} / {np.percentile(self.masks, 5):.4f}" if self.masks else "-"
        yield f"{self.oks():.4f}" if self.poses else "-"

    def oks(self) -> float:
        """Return mAP50-95 of the poses."""
        truth, found = zip(*self.poses, strict=True)
        names = [str(number) for number in range(80)]
        classes = precision_of(found, truth, kind="keypoints", names=names, max_det=300, sigmas=PEOPLE)
        return float(np.mean([each.coco_map for each in classes]))


HEADINGS = (
    *("model", "found", "box IoU", "edge off, px: mean / p95", f"of objects > {LARGE} px", "score off"),
    *("mask IoU: mean / p5", "OKS mAP50-95"),
)


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
    """Return the IoU of a box (4,) with others (N, 4)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / (areas - shared), np.float64)


def poses(found: Detections, size: tuple[int, int], *, truth: bool) -> Annotations:
    """Return people as pycocotools has them; of the truth, keypoints that are seen are marked."""
    assert found.keypoints is not None
    rows = of_boxes(found.xyxy, found.class_id, None if truth else found.confidence)
    for row, points in zip(rows, found.keypoints.astype(np.float64), strict=True):
        seen = points[:, 2] >= 0.5
        row["keypoints"] = np.column_stack([points[:, :2], 2 * seen]).ravel().tolist()
        row["num_keypoints"] = int(seen.sum()) if truth else len(points)
        row["area"] *= PERSON
    return Annotations(size, rows)


def compare(onnx: Path, calibrated: Path, measured: Sequence[Path]) -> Measured:
    """Run a model in float and in int8."""
    result = Measured()
    with Detector(onnx) as floating, Detector(onnx, simulate=True, dataset=calibrated) as simulated:
        for path in measured:
            image = read_image(path)
            result.add(floating.detect(image), simulated.detect(image), (image.shape[0], image.shape[1]))
    return result


def main() -> None:
    """Parse, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="a .pt or .onnx")
    parser.add_argument("--images", type=Path, required=True, help="a folder of images")
    parser.add_argument("--calibrate", type=int, default=64, help="how many images (%(default)s)")
    parser.add_argument("--swap", action="store_true", help="calibrate with the others, and measure on these")
    options = parser.parse_args()
    images = read_folder(options.images)
    first, others = images[: options.calibrate], images[options.calibrate :]
    chosen, measured = (others, first) if options.swap else (first, others)
    if not chosen or not measured:
        parser.error(f"{options.images} has {len(images)} images: none are left to calibrate with, or to measure on")
    print(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        calibrated = Path(scratch) / "calibrated.txt"
        calibrated.write_text("".join(f"{path.resolve()}\n" for path in chosen))
        for model in options.models:
            onnx = export(model, output=Path(scratch)) if model.suffix == ".pt" else model
            print(f"| {' | '.join([model.stem, *compare(onnx, calibrated, measured).row()])} |", flush=True)


if __name__ == "__main__":
    main()
