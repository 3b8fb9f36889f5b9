"""A data.yaml as ultralytics reads it: its images, their labels, and the class names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from yolorknn.data.yaml_file import read_yaml
from yolorknn.errors import DatasetError
from yolorknn.files import is_file, is_folder
from yolorknn.image import IMAGE_SUFFIXES

Split = Literal["train", "val"]

LISTING = "dataset.txt"
"""The list of images in a folder that `yolorknn calibrate` made."""

TOLERANCE = 0.01
"""How far a label may lie outside the image, as a share of its side (ultralytics' own limit)."""


@dataclass(frozen=True)
class Dataset:
    """What a data.yaml names.

    Attributes:
        file: the data.yaml.
        names: class names by class id.
        images: the image files of the split, in order.
    """

    file: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]

    @classmethod
    def open(cls, file: Path, *, split: Split = "val") -> Dataset:
        """Read a data.yaml; its labels are read by labels().

        Raises:
            DatasetError: it, its names or its images are absent or contradict each other.
            MissingDependencyError: PyYAML is not installed.
        """
        data = _read(file)
        return cls(file, _names(data, file), tuple(images_of(file, splits=(split,))))

    def labelled(self, images: Sequence[Path] | None = None) -> Labelled:
        """Return images with their labels; see labels().

        Args:
            images: other ones than the data.yaml's, whose labels are found in the same way.

        Raises:
            DatasetError: labels are not of this form, or none of the images has any.
        """
        files = self.images if images is None else tuple(images)
        found = tuple(labels(image, classes=len(self.names)) for image in files)
        if not any(rows is not None and len(rows) for rows in found):
            raise DatasetError(
                f"none of the {len(files)} images has labels: expected for example {label_file(files[0])}"
            )
        return Labelled(self.file, self.names, files, found)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images to measure on.

    Attributes:
        file: the data.yaml.
        names: class names by class id.
        images: the image files.
        labels: of each image, see labels().
    """

    file: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    labels: tuple[NDArray[np.float64] | None, ...]


def images_of(file: Path, *, splits: tuple[Split, ...]) -> list[Path]:
    """Return the images of the first of `splits` that a data.yaml names, in order.

    Raises:
        DatasetError: it names none, or what it names does not exist.
        MissingDependencyError: PyYAML is not installed.
    """
    data = _read(file)
    entries: Any = next((data[split] for split in splits if data.get(split)), None)
    if not entries:
        raise DatasetError(f"{file} names no {' or '.join(repr(split) for split in splits)} images")
    images: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        path = _resolve(file, str(data.get("path") or "."), str(entry))
        images += read_list(path) if path.suffix == ".txt" else read_folder(path) if path.is_dir() else [path]
    if not images:
        raise DatasetError(f"{file} names {path}, where there are no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def read_folder(folder: Path) -> list[Path]:
    """Return every image below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def thin(images: Sequence[Path], limit: int) -> list[Path]:
    """Return at most `limit` images, evenly spread over the sequence."""
    count = min(len(images), limit)
    return [images[i * len(images) // count] for i in range(count)]


def read_list(listing: Path) -> list[Path]:
    """Return the images that a text file names, one a line, relative to the file.

    Raises:
        DatasetError: it cannot be read, or an image does not exist.
    """
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read the list {listing}: {exc}") from exc
    images = []
    for number, line in enumerate(lines, 1):
        if name := line.strip():
            image = listing.parent / name
            if not is_file(image):
                raise DatasetError(f"{listing}, line {number}: there is no image {image}")
            images.append(image)
    return images


def label_file(image: Path) -> Path:
    """Return where an image's labels are: the last folder `images` of its path becomes `labels`, the suffix .txt."""
    parts = list(image.parts)
    for number in range(len(parts) - 2, -1, -1):
        if parts[number] == "images":
            parts[number] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def labels(image: Path, *, classes: int) -> NDArray[np.float64] | None:
    """Read an image's labels: a line `class x y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon.

    Args:
        image: the image's path; see label_file().
        classes: number of classes.

    Returns:
        (N, 5): class id and x1, y1, x2, y2 as shares (0 to 1) of the image's sides, each row once; None without a file.

    Raises:
        DatasetError: the file is unreadable, or a line is not such a label; the line is named.
    """
    file = label_file(image)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read the labels {file}: {exc}") from exc
    rows = [_row(line, classes, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    unique: NDArray[np.float64] = np.array(list(dict.fromkeys(rows)), np.float64).reshape(-1, 5)
    return unique


def _row(line: str, classes: int, where: str) -> tuple[float, ...]:
    try:
        class_id, *numbers = (float(word) for word in line.split())
    except ValueError:
        raise DatasetError(f"{where}: '{line.strip()[:60]}' is not numbers") from None
    polygon = len(numbers) >= 6 and len(numbers) % 2 == 0
    if len(numbers) != 4 and not polygon:
        raise DatasetError(f"{where} has {len(numbers) + 1} numbers: a label is 'class x y width height'")
    if not class_id.is_integer() or not 0 <= class_id < classes:
        raise DatasetError(f"{where}: class {class_id:g} is not one of the {classes} classes, 0 to {classes - 1}")
    if not all(-TOLERANCE <= number <= 1 + TOLERANCE for number in numbers):
        raise DatasetError(f"{where}: coordinates are shares of the image's sides, 0 to 1, not {line.strip()[:60]}")
    if polygon:
        return class_id, min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    x, y, width, height = numbers
    if width < 0 or height < 0:
        raise DatasetError(f"{where}: a box has no negative width or height: {line.strip()[:60]}")
    return class_id, x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _read(file: Path) -> dict[str, Any]:
    if not is_file(file):
        raise DatasetError(f"there is no data.yaml {file}: give one with 'train' or 'val' images and 'names'")
    data = read_yaml(file)
    if not isinstance(data, dict):
        raise DatasetError(f"{file} is not a data.yaml: give the one with 'train' or 'val' images and 'names'")
    return data


def _names(data: dict[str, Any], file: Path) -> tuple[str, ...]:
    names, count = data.get("names"), data.get("nc")
    if isinstance(names, dict):
        if names.keys() != set(range(len(names))):
            raise DatasetError(f"{file}: the class ids under 'names' are not 0 to {len(names) - 1}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{file} has no class names: give them under 'names'")
    if count is not None and count != len(names):
        raise DatasetError(f"{file} says nc: {count}, but names {len(names)} classes")
    if any(isinstance(name, (dict, list)) for name in names):
        raise DatasetError(f"{file}: 'names' is not a list of names")
    return tuple(str(name) for name in names)


def _resolve(file: Path, root: str, entry: str) -> Path:
    """Find a data.yaml's folder as ultralytics does: below `path`, which is relative to the file or to here."""
    paths = [file.parent / root / entry, Path(root) / entry]
    for path in paths:
        if is_file(path) or is_folder(path):
            return path
    raise DatasetError(f"{file} names {entry}, but there is no {paths[0]}")
