"""A dataset of classified images as ultralytics reads it: a folder for each class below `val`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yolorknn.data.dataset import read_folder
from yolorknn.errors import DatasetError

SPLITS = ("val", "validation", "valid", "test")
"""The first of them that is there is measured on."""
TRAIN = "train"
"""What is trained with."""


@dataclass(frozen=True)
class ClassFolder:
    """Classified images.

    Attributes:
        folder: what was given.
        names: the classes, in the order of their ids: that of the alphabet.
        images: the image files, class by class.
        class_ids: of each image.
    """

    folder: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    class_ids: tuple[int, ...]

    @classmethod
    def open(cls, folder: Path) -> ClassFolder:
        """List the images of the first of SPLITS that is there.

        Raises:
            DatasetError: there is no such folder, or nothing in it.
        """
        split = next((folder / name for name in SPLITS if (folder / name).is_dir()), None)
        if split is None:
            raise DatasetError(
                f"{folder} is a folder: give the data.yaml with the labelled images; of a classifier, the folder that "
                f"has a folder {' or '.join(SPLITS)}, which this has not"
            )
        classes = sorted(path for path in split.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [(number, image) for number, path in enumerate(classes) for image in read_folder(path)]
        if not found:
            raise DatasetError(f"{split} has no images: expected is a folder for each class, with its images")
        names = tuple(path.name for path in classes)
        return cls(folder, names, tuple(image for _, image in found), tuple(number for number, _ in found))

    def train(self) -> list[Path]:
        """Return the images that are trained with; those that are measured on where there are none."""
        return read_folder(self.folder / TRAIN) or list(self.images)

    def only(self, images: Sequence[Path]) -> ClassFolder:
        """Return some of the images, in their order here."""
        chosen = set(images)
        pairs = [pair for pair in zip(self.images, self.class_ids, strict=True) if pair[0] in chosen]
        return replace(self, images=tuple(image for image, _ in pairs), class_ids=tuple(number for _, number in pairs))
