"""A data.yaml as ultralytics reads it: its images, their labels, and the class names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from yolorknn.data.labels import Labels, label_file, labels
from yolorknn.data.yaml_file import check_no_annotations, read_yaml
from yolorknn.errors import DatasetError
from yolorknn.files import file_names, is_file, is_folder
from yolorknn.image import IMAGE_SUFFIXES

Split = Literal["train", "val"]

LISTING = "dataset.txt"
"""The list of images in a folder that `yolorknn calibrate` made."""
SHEET = "contact-sheet.jpg"
"""The picture of all of them there."""

MOST_CLASSES = 100_000
PERSON_POINTS = 17


@dataclass(frozen=True)
class Dataset:
    """What a data.yaml names.

    Attributes:
        file: the data.yaml.
        names: class names by class id.
        images: the image files of the split, in order.
        keypoints: of a dataset of poses, how many there are and with how many values each; see labels().
        sigmas: of such a dataset, how far people who mark each keypoint are apart; empty where it does not say.
    """

    file: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    keypoints: tuple[int, int] | None = None
    sigmas: tuple[float, ...] = ()

    @classmethod
    def open(cls, file: Path, *, split: Split = "val") -> Dataset:
        """Read a data.yaml; its labels are read by labels().

        Raises:
            DatasetError: it, its names or its images are absent or contradict each other.
            MissingDependencyError: PyYAML is not installed.
        """
        data = _read(file)
        names, images = _names(data, file), tuple(images_of(file, splits=(split,)))
        return cls(file, names, images, *_keypoints(data, file))

    def labelled(self, images: Sequence[str | Path] | None = None) -> Labelled:
        """Return images with their labels; see labels().

        Args:
            images: other ones than the data.yaml's, whose labels are found in the same way.

        Raises:
            DatasetError: there are no images, their labels are not of this form, or none of them has any.
        """
        if isinstance(images, (str, Path)):
            raise ValueError(f"images is a list of paths, as ['{images}'], not one")
        files = self.images if images is None else tuple(map(Path, images))
        if not files:
            raise DatasetError(
                f"there are no images to measure on: give some, or leave out to take those of {self.file}"
            )
        found = tuple(labels(image, classes=len(self.names), keypoints=self.keypoints) for image in files)
        if not any(some is not None and len(some.boxes) for some in found):
            raise DatasetError(
                f"none of the {len(files)} images has labels: expected for example {label_file(files[0])}"
            )
        return Labelled(self.file, self.names, files, found, self.sigmas)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images to measure on.

    Attributes:
        file: the data.yaml.
        names: class names by class id.
        images: the image files.
        labels: of each image, see labels().
        sigmas: see Dataset.
    """

    file: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    labels: tuple[Labels | None, ...]
    sigmas: tuple[float, ...] = ()


def images_of(file: Path, *, splits: tuple[Split, ...]) -> list[Path]:
    """Return the images of the first of `splits` that a data.yaml names, in order.

    Raises:
        DatasetError: it names none, or what it names does not exist.
        MissingDependencyError: PyYAML is not installed.
    """
    data = _read(file)
    if "val" not in data and "validation" in data:
        data["val"] = data["validation"]  # as ultralytics takes it
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
    """Return every image below a folder, sorted; as ultralytics, through links, and nothing that is hidden.

    Jupyter keeps copies in `.ipynb_checkpoints`, macOS has a `._0001.jpg` that is no image beside each on other disks.
    """
    found, known = list[Path](), [folder.resolve()]
    for place, folders, files in os.walk(folder, followlinks=True):
        below = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and _is_new(below / name, known))
        images = (below / name for name in files if not name.startswith("."))
        found += [path for path in images if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    return sorted(found)


def _is_new(folder: Path, known: list[Path]) -> bool:
    """Tell whether a folder is none that a walk comes to anyhow, or came to: links may lead back, and round and round.

    Args:
        folder: below one of these.
        known: where the walk began, and what links led to; that of this one is added.
    """
    if not folder.is_symlink():
        return True
    target = folder.resolve()
    if any(target.is_relative_to(other) or other.is_relative_to(target) for other in known):
        return False
    known.append(target)
    return True


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
        lines = file_names(listing.read_bytes())
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"cannot read the list {listing}: {exc}") from exc
    images = []
    for number, names in enumerate(lines, 1):
        if name := names[0]:
            ways = (listing.parent / way for each in names for way in _ways(each))
            image = next(filter(is_file, ways), listing.parent / name)
            if not is_file(image):
                raise DatasetError(f"{listing}, line {number}: there is no image {image}")
            images.append(image)
    return images


def _read(file: Path) -> dict[str, Any]:
    if is_folder(file):
        raise DatasetError(f"{file} is a folder: give the data.yaml with 'train' or 'val' images and 'names'")
    if not is_file(file):
        raise DatasetError(f"there is no data.yaml {file}: give one with 'train' or 'val' images and 'names'")
    check_no_annotations(file)
    data = read_yaml(file)
    if not isinstance(data, dict):
        raise DatasetError(f"{file} is not a data.yaml: give the one with 'train' or 'val' images and 'names'")
    return data


def _names(data: dict[str, Any], file: Path) -> tuple[str, ...]:
    names: Any = data.get("names")
    count: Any = data.get("nc")
    if (isinstance(count, float) and count.is_integer()) or _is_number(count):
        count = int(count)
    if isinstance(names, dict):
        names = {int(key) if _is_number(key) else key: name for key, name in names.items()}
        if names.keys() != set(range(len(names))):
            raise DatasetError(f"{file}: the class ids under 'names' are not 0 to {len(names) - 1}")
        names = [names[number] for number in range(len(names))]
    if names is None and isinstance(count, int) and 0 < count <= MOST_CLASSES:
        names = [f"class_{number}" for number in range(count)]  # as ultralytics calls them
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{file} has no class names: give them under 'names'")
    if count is not None and count != len(names):
        raise DatasetError(f"{file} says nc: {count}, but names {len(names)} classes")
    if any(isinstance(name, (dict, list)) for name in names):
        raise DatasetError(f"{file}: 'names' is not a list of names")
    return tuple(str(name) for name in names)


def _is_number(value: Any) -> bool:
    """Tell whether it is a text that is a whole number, as JSON has the keys of a mapping."""
    return isinstance(value, str) and value.strip().isdecimal() and len(value) < 10


def _resolve(file: Path, root: str, entry: str) -> Path:
    """Find a data.yaml's folder as ultralytics does: below `path`, which is relative to the file or to here.

    In Roboflow's, `../valid/images` lies beside the file.
    """
    ways = [(base, way) for base in _ways(root) for way in _ways(entry)]
    ways += [(base, way.removeprefix("../")) for base, way in ways if way.startswith("../")]
    paths = [start / base / way for base, way in ways for start in (file.parent, Path())]
    for path in paths:
        if is_file(path) or is_folder(path):
            return path
    raise DatasetError(f"{file} names {entry}, but there is no {paths[0]}")


def _keypoints(data: dict[str, Any], file: Path) -> tuple[tuple[int, int] | None, tuple[float, ...]]:
    """Return kpt_shape and kpt_oks_sigmas."""
    shape, sigmas = data.get("kpt_shape"), data.get("kpt_oks_sigmas") or []
    if shape is None:
        return None, ()
    whole = isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape)
    if not whole or shape[0] < 1 or shape[1] not in (2, 3):
        raise DatasetError(f"{file}: kpt_shape is how many keypoints there are, and 2 or 3 values, not {shape}")
    wrong = not isinstance(sigmas, list) or not all(isinstance(some, (int, float)) and some > 0 for some in sigmas)
    if wrong or len(sigmas) not in (0, shape[0]):
        raise DatasetError(f"{file}: kpt_oks_sigmas are {shape[0]} numbers above 0, one a keypoint, not {sigmas}")
    if not sigmas and shape == [PERSON_POINTS, 2]:
        sigmas = [1 / PERSON_POINTS] * PERSON_POINTS  # ultralytics takes points without visibility for no person's
    return (shape[0], shape[1]), tuple(float(some) for some in sigmas)


def _ways(name: str) -> list[str]:
    """Return a path as it is written, and as Windows may have meant it."""
    return list(dict.fromkeys([name, name.replace("\\", "/")]))
