"""What a model is measured by, whatever its task: boxes of a data.yaml by mAP50-95, classes of a folder by top-1."""

from __future__ import annotations

from pathlib import Path

from yolorknn.data.class_folder import ClassFolder
from yolorknn.data.dataset import Labelled
from yolorknn.errors import DatasetError

Truth = Labelled | ClassFolder
"""Labelled images."""


def measure_of(truth: Truth) -> str:
    """Return the name of the measure."""
    return "top-1" if isinstance(truth, ClassFolder) else "mAP50-95"


def check_truth(task: str, truth: Truth, *, model: Path) -> None:
    """Refuse images that are not labelled for the model's task.

    Raises:
        DatasetError: boxes for a classifier, or classes for a model that finds objects.
    """
    if (task == "classify") != isinstance(truth, ClassFolder):
        raise other_truth(truth, model=model)


def other_truth(truth: Truth, *, model: Path) -> DatasetError:
    """Return the error of a model whose task is not that of the labelled images."""
    if isinstance(truth, ClassFolder):
        return DatasetError(
            f"{model} finds objects, and {truth.folder} is a folder of classified images: give the data.yaml that it "
            "was trained with"
        )
    return DatasetError(
        f"{model} classifies whole images, and {truth.file} names images with boxes: give the folder that has a folder "
        "val, and in that a folder for each class"
    )
