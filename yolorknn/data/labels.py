"""Labels: what people marked in an image, from the text file beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import DatasetError
from yolorknn.files import decoded

TOLERANCE = 0.01
"""How far a label may lie outside the image, as a share of its side (ultralytics' own limit)."""


class Labels(NamedTuple):
    """The labels of one image; coordinates are shares (0 to 1) of its sides."""

    boxes: NDArray[np.float64]
    """(N, 5): class id and x1, y1, x2, y2."""
    outlines: tuple[NDArray[np.float64] | None, ...]
    """Of each the polygon, (M, 2); None of a plain box."""
    keypoints: NDArray[np.float64]
    """(N, K, 3): x, y, and whether it is marked: 0 where it is not."""


def label_file(image: Path) -> Path:
    """Return where an image's labels are: the last folder `images` of its path becomes `labels`, the suffix .txt."""
    parts = list(image.parts)
    for number in range(len(parts) - 2, -1, -1):
        if parts[number] == "images":
            parts[number] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def labels(image: Path, *, classes: int, keypoints: tuple[int, int] | None = None) -> Labels | None:
    """Read an image's labels: a line `class x y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon.

    Args:
        image: the image's path; see label_file().
        classes: number of classes.
        keypoints: of a dataset of poses, how many there are, and 2 or 3 for `x y` or `x y visibility`; then each line
            is a box with these behind it.

    Returns:
        Each label once; None without a file.

    Raises:
        DatasetError: the file is unreadable, or a line is not such a label; the line is named.
    """
    file = label_file(image)
    try:
        lines = decoded(file.read_bytes()).splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read the labels {file}: {exc}") from exc
    numbered = [(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    read = (_numbers(line, classes, where, keypoints) for line, where in numbered)
    rows = list(dict.fromkeys(read))
    boxes: NDArray[np.float64] = np.array([_box(row, keypoints is not None) for row in rows]).reshape(-1, 5)
    count, values = keypoints or (0, 3)
    marked = np.zeros((len(rows), count, 3))
    if keypoints:
        points = np.array([row[5:] for row in rows]).reshape(-1, count, values)
        marked[..., :values] = points
        if values == 2:
            marked[..., 2] = (points >= 0).all(axis=2)
    polygons = [len(row) > 5 and keypoints is None for row in rows]
    outlines = (np.array(row[1:]).reshape(-1, 2) if long else None for row, long in zip(rows, polygons, strict=True))
    return Labels(boxes, tuple(outlines), marked)


def _numbers(line: str, classes: int, where: str, keypoints: tuple[int, int] | None) -> tuple[float, ...]:
    """Return the numbers of a line, checked."""
    try:
        class_id, *numbers = (float(word) for word in line.split())
    except ValueError:
        raise DatasetError(f"{where}: '{line.strip()[:60]}' is not numbers") from None
    polygon = len(numbers) >= 6 and len(numbers) % 2 == 0
    if keypoints is not None and len(numbers) != 4 + keypoints[0] * keypoints[1]:
        raise DatasetError(
            f"{where} has {len(numbers) + 1} numbers: with kpt_shape {list(keypoints)} a label has "
            f"{5 + keypoints[0] * keypoints[1]}, 'class x y width height' and the keypoints"
        )
    if keypoints is None and len(numbers) != 4 and not polygon:
        posed = len(numbers) > 4 and (len(numbers) - 4) % 3 == 0
        hint = f", or of a pose with kpt_shape: [{(len(numbers) - 4) // 3}, 3] in the data.yaml" if posed else ""
        outline = ", or of a polygon 'class x1 y1 x2 y2 x3 y3' and so on" if len(numbers) > 4 else ""
        raise DatasetError(
            f"{where} has {len(numbers) + 1} numbers: a label is 'class x y width height'{outline}{hint}"
        )
    if not class_id.is_integer() or not 0 <= class_id < classes:
        raise DatasetError(f"{where}: class {class_id:g} is not one of the {classes} classes, 0 to {classes - 1}")
    visibilities = range(6, len(numbers), 3) if keypoints and keypoints[1] == 3 else ()
    if not all(0 <= numbers[at] < math.inf for at in visibilities):
        raise DatasetError(f"{where}: the visibility of a keypoint, behind its x and y, is 0, 1 or 2")
    shares = [number for at, number in enumerate(numbers) if at not in visibilities]
    if not all(-TOLERANCE <= share <= 1 + TOLERANCE for share in shares):
        raise DatasetError(f"{where}: coordinates are shares of the image's sides, 0 to 1, not {line.strip()[:60]}")
    if (keypoints is not None or not polygon) and min(numbers[2:4]) < 0:
        raise DatasetError(f"{where}: a box has no negative width or height: {line.strip()[:60]}")
    return class_id, *numbers


def _box(row: tuple[float, ...], posed: bool) -> tuple[float, ...]:
    class_id, *numbers = row
    if len(numbers) > 4 and not posed:
        return class_id, min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    x, y, width, height = numbers[:4]
    return class_id, x - width / 2, y - height / 2, x + width / 2, y + height / 2
