"""What the board finds against what the PC finds: boxes matched by class and IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import DeployError
from yolorknn.tasks.detections import Detections

SAME_BOX = 0.5
"""IoU at which two boxes of one class are the same object's, as in COCO's AP50."""
LEAST = 0.8
"""Least agreement. int8 against float loses and gains boxes near the confidence threshold; a model in the wrong
colours, size or layout loses nearly all."""


@dataclass(frozen=True)
class Compared:
    """One image, or all of them."""

    image: str
    pc: int
    """Boxes of the PC."""
    board: int
    """Boxes of the board."""
    ious: tuple[float, ...]
    """Of the boxes that both have, IoU."""
    differences: tuple[float, ...]
    """Of the boxes that both have, board's score less the PC's."""

    @property
    def matched(self) -> int:
        """Boxes that both have; the PC's others are missing, the board's others extra."""
        return len(self.ious)

    @property
    def agreement(self) -> float:
        """2 * matched / (boxes of both), 0 to 1; 1 where neither has any (the F1 score, or Dice coefficient)."""
        return 2 * self.matched / (self.pc + self.board) if self.pc + self.board else 1.0


def compare(image: str, pc: Detections, board: Detections) -> Compared:
    """Match the boxes of one image: of the same class, the largest IoU first, each box once."""
    overlaps = _iou(pc.xyxy, board.xyxy)
    overlaps[pc.class_id[:, None] != board.class_id[None]] = 0
    ious, differences = [], []
    while overlaps.size and (best := float(overlaps.max())) >= SAME_BOX:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        overlaps[row], overlaps[:, column] = 0, 0
        ious.append(best)
        differences.append(float(board.confidence[column] - pc.confidence[row]))
    return Compared(image, len(pc), len(board), tuple(ious), tuple(differences))


def total(rows: Sequence[Compared]) -> Compared:
    """Add up the images."""
    return Compared(
        f"all {len(rows)} images" if len(rows) != 1 else "1 image",
        sum(row.pc for row in rows),
        sum(row.board for row in rows),
        tuple(iou for row in rows for iou in row.ious),
        tuple(difference for row in rows for difference in row.differences),
    )


def table(rows: Sequence[Compared]) -> str:
    """Return a line for each image and one for all."""
    lines: list[tuple[str, ...]] = [
        ("image", "PC", "board", "matched", "missing", "extra", "mean IoU", "score difference")
    ]
    for row in (*rows, total(rows)):
        iou = f"{np.mean(row.ious):.3f}" if row.ious else "-"
        worst = f"{max(row.differences, key=abs):+.3f}" if row.differences else "-"
        counts = (row.pc, row.board, row.matched, row.pc - row.matched, row.board - row.matched)
        lines.append((row.image, *map(str, counts), iou, worst))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def check(rows: Sequence[Compared], reference: str) -> None:
    """Refuse a board that does not find what the PC finds.

    Raises:
        DeployError: the agreement over all images is below LEAST.
    """
    both = total(rows)
    if both.agreement < LEAST:
        raise DeployError(
            f"the board agrees with {reference} in {both.agreement:.0%} of the boxes, less than {LEAST:.0%}: "
            "see with --simulate whether quantization or the board costs them"
        )


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the IoU (N, M) of boxes xyxy (N, 4) and (M, 4)."""
    a, b = one[:, None].astype(np.float64), other[None].astype(np.float64)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    common = sides.prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common
    iou: NDArray[np.float64] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return iou
