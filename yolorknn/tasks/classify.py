"""The task "classify": how probable each class is for the whole image.

The one output, `logits` (1, nc, 1, 1), is what softmax makes probabilities of; some chips leave that to the CPU anyhow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from yolorknn.errors import InferenceError
from yolorknn.image import Canvas, Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.model.values import Values, floats
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.crop import CropCanvas
from yolorknn.tasks.drawing import Label, colour, draw_labels, label
from yolorknn.tasks.likeness import Likeness, of_scores
from yolorknn.tasks.sound import HINT
from yolorknn.tasks.task import Floats, Layout, Thresholds, Wording

TOP = 5
"""So many classes are written and drawn."""
FAR = 1e6
"""What an infinite logit counts as."""


class Classify:
    """How probable each class is for the whole image; see tasks.task.Task."""

    name = "classify"
    key = "classes"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the output's shape."""
        return {output.name: (1, len(metadata.names), 1, 1) for output in metadata.outputs}

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        """Compare name and shape."""
        return {tensor.name: tensor.shape for tensor in outputs} == self.shapes(metadata)

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Know none: a row of numbers may be anything."""
        return None

    def canvas(self, imgsz: tuple[int, int]) -> Canvas:
        """Crop the middle of the image."""
        return CropCanvas(imgsz)

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Classification:
        """Take the softmax; nothing is left out, whatever the thresholds."""
        logits = floats(outputs[0]).ravel().astype(np.float64)
        if np.isnan(logits).any():
            raise InferenceError(f"output {metadata.outputs[0].name} has NaN: {HINT}")
        logits = np.clip(logits, -FAR, FAR)
        weights = np.exp(logits - logits.max())
        order = np.argsort(-weights, kind="stable")
        return Classification(order, (weights / weights.sum())[order].astype(np.float32))

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        """Return logits that leave no doubt."""
        shapes = self.shapes(metadata).values()
        return [np.random.default_rng(0).normal(0, 3, shape).astype(np.float32) for shape in shapes]

    def holds(self, found: object) -> bool:
        """Know a Classification."""
        return isinstance(found, Classification)

    def likeness(self, expected: Classification, found: Classification) -> tuple[Likeness, ...]:
        """Compare the probabilities of the first classes, of which one that is left out has no more than the others."""
        off = max(_farthest(expected, found), _farthest(found, expected))
        return (of_scores("probabilities", np.array([off])),)

    def record(self, found: Classification, wording: Wording) -> list[dict[str, Any]]:
        """Return class_id, name and confidence of the most probable classes."""
        return [
            {"class_id": class_id, "name": wording.names[class_id], "confidence": round(confidence, 4)}
            for class_id, confidence in found.top(TOP)
        ]

    def read(self, records: Sequence[Mapping[str, Any]]) -> Classification:
        """Return the classes of records."""
        return Classification(
            np.array([record["class_id"] for record in records], np.int64),
            np.array([record["confidence"] for record in records], np.float32),
        )

    def draw(self, canvas: Image, found: Classification, names: Mapping[int, str] | Sequence[str]) -> None:
        """Write the most probable classes into the corner, one below the other."""
        top = [
            Label((0, 0), label(names[class_id], class_id), confidence, colour(class_id))
            for class_id, confidence in found.top(TOP)
        ]
        draw_labels(canvas, top, stacked=True)


def _farthest(one: Classification, other: Classification) -> float:
    """Return by how much the probability of one of the first classes of the one is another in the other."""
    said, rest = dict(other), float(other.confidence.min(initial=1.0))
    return max((abs(share - said.get(name, min(share, rest))) for name, share in one.top(TOP)), default=0.0)
