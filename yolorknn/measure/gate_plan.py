"""What all recipes of the gate share, made once: held-out images and their labels, letterboxed calibration sets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.class_folder import ClassFolder
from yolorknn.data.dataset import Dataset, Labelled, thin
from yolorknn.data.holdout import hold_out
from yolorknn.files import write_bytes
from yolorknn.image import Canvas
from yolorknn.progress import Progress

FEW = 100
"""Images that are calibrated with at first, where more are left."""


@dataclass(frozen=True)
class GatePlan:
    """Which images to calibrate with and which to measure on: never the same; read before anything is built."""

    data: Path
    """The data.yaml; of a classifier, the folder."""
    calibration: CalibrationSet
    labelled: Labelled | ClassFolder
    """What is measured on."""
    own: bool
    """Whether the calibration set is one of the user's, which is never cut short."""

    @classmethod
    def make(cls, data: Path, dataset: Path | None = None) -> GatePlan:
        """Hold images out, and read their labels.

        Args:
            data: the data.yaml, or for a classifier the folder; images that are not calibrated with are measured on.
            dataset: calibration set; default is part of the data.yaml's images, see hold_out().

        Raises:
            CalibrationError: the calibration set is absent or broken.
            DatasetError: the data.yaml, an image or a label cannot be used, or nothing is left to measure on.
            MissingDependencyError: PyYAML is not installed.
        """
        given = CalibrationSet.open(dataset) if dataset is not None else None
        images, measured = hold_out(data, given)
        calibration = given or CalibrationSet(data, tuple(images))
        labelled = ClassFolder.open(data).only(measured) if data.is_dir() else Dataset.open(data).labelled(measured)
        return cls(data, calibration, labelled, own=given is not None)

    @property
    def more(self) -> bool:
        """Whether there are more images to calibrate with than few."""
        return not self.own and len(self.calibration.images) > FEW

    def selected(self, *, few: bool) -> CalibrationSet:
        """Return what a recipe calibrates with."""
        if self.own or not few:
            return self.calibration
        return CalibrationSet(self.data, tuple(thin(self.calibration.images, FEW)))


class CalibrationSets:
    """The plan's calibration sets in a folder, each letterboxed when it is first asked for, and observed once.

    Args:
        plan: names the images.
        folder: for the arrays and lists; an existing one.
        canvas: the model's input.
        colour: see image.as_seen().
        progress: told the stages.
    """

    def __init__(self, plan: GatePlan, folder: Path, *, canvas: Canvas, colour: str, progress: Progress | None) -> None:
        self._plan, self._folder, self._progress = plan, folder, progress
        self._canvas, self._colour = canvas, colour
        self._made: dict[bool, tuple[Path, Calibration]] = {}

    def of(self, *, few: bool) -> tuple[Path, Calibration]:
        """Return the set as a user would name it, a list of its images unless it is the user's own, and as arrays.

        Raises:
            CalibrationError: an image cannot be read.
            OutputError: the disk is full.
        """
        few = few and self._plan.more
        if few not in self._made:
            selected = self._plan.selected(few=few)
            folder = self._folder / ("few" if few else "all")
            folder.mkdir()
            source = selected.source
            if not self._plan.own:
                source = folder / "images.txt"
                write_bytes(source, b"".join(os.fsencode(image.resolve()) + b"\n" for image in selected.images))
            letterboxed = selected.write(folder, canvas=self._canvas, colour=self._colour, progress=self._progress)
            self._made[few] = source, Calibration(letterboxed)
        return self._made[few]
