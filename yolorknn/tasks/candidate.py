"""Boxes that may be results, as they are decoded: in pixels of the model's input, before duplicates are suppressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from yolorknn.tasks.cells import Places
from yolorknn.tasks.task import Floats, Ints

FAR = 1e6
"""Cells, or pixels, beyond which no corner is taken: with infinite ones nothing can be computed."""


@dataclass(frozen=True)
class Boxes:
    """Boxes in pixels of the model's input: xyxy float32 (N, 4), confidence float32 (N,), class_id int64 (N,)."""

    xyxy: Floats
    confidence: Floats
    class_id: Ints
    anchor: Ints
    """(N,): the number of the anchor that each is of, as anchor_points() counts; see gather()."""
    places: Places | None = None
    """Where these anchors are in the outputs, as long as all boxes are there, in their order."""

    def __getitem__(self, index: Ints) -> Boxes:
        """Return the chosen boxes."""
        return Boxes(
            self.xyxy.take(index, axis=0),
            self.confidence.take(index),
            self.class_id.take(index),
            self.anchor.take(index),
        )


NOTHING = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
