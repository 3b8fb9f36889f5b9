"""Task: what a model's outputs mean. Each has a file of its own beside this one, and a line in known.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Canvas, Image, Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import Head, ModelMetadata, Output, Tensor
from yolorknn.model.values import Values
from yolorknn.tasks.classification import Found
from yolorknn.tasks.likeness import Likeness

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Thresholds:
    """What is kept of all that a model finds; the defaults are ultralytics'.

    Raises:
        ValueError: one is out of range, or no such number.
    """

    conf: float = 0.25
    """Confidence, exclusive, 0 to 1."""
    iou: float = 0.7
    """IoU above which the less confident of two boxes goes, 0 to 1."""
    max_det: int = 300
    """Most results per image."""
    classes: tuple[int, ...] | None = None
    """Class ids to keep; None for all."""
    multi_label: bool = False
    """Give a box for each class above conf, not only for its best one (what ultralytics' val does)."""
    agnostic_nms: bool = False
    """Let a box suppress overlapping ones of other classes too."""

    def __post_init__(self) -> None:
        if not (_is_share(self.conf) and _is_share(self.iou)):
            raise ValueError(f"conf and iou are between 0 and 1, not {self.conf!r} and {self.iou!r}")
        if not hasattr(self.max_det, "__index__") or self.max_det < 1:
            raise ValueError(f"max_det is a whole number of at least 1, not {self.max_det!r}")


def _is_share(value: Any) -> bool:
    try:
        return bool(0 <= value <= 1)
    except TypeError:  # of a text, as settings from files are
        return False


MaskForm = Literal["rle", "polygons"]


@dataclass(frozen=True)
class Wording:
    """How records say what was found."""

    names: Mapping[int, str]
    """Class names by class id."""
    keypoints: tuple[str, ...] = ()
    """Names of the keypoints; see ModelMetadata."""
    masks: MaskForm = "rle"
    """Masks as COCO's run-length encoding, or as polygons around them; see mask_text.py."""

    @classmethod
    def of(cls, metadata: ModelMetadata, *, masks: MaskForm = "rle") -> Wording:
        """Return a model's words."""
        return cls(dict(enumerate(metadata.names)), metadata.keypoints, masks)


class Layout(NamedTuple):
    """What the tensors of a model that says nothing of itself were recognised as."""

    head: Head
    outputs: tuple[Output, ...]
    classes: int
    reg_max: int = 16
    prototypes: int = 0
    keypoints: int = 0
    normalized: bool = False
    anchors: tuple[tuple[float, ...], ...] = ()
    colour: str = "RGB"
    """Of an input of three channels."""
    std: float = 255.0


class Task(Protocol[Found]):
    """All that a task is: its outputs, what they say of an image, and how that is written, read and drawn."""

    name: str
    """As ultralytics calls it."""
    key: str
    """Under which a JSON line has the records of its results."""

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output by name, in the file's order, as the metadata implies it."""

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        """Return whether a file's outputs are those that its metadata implies."""

    def recognise(self, imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
        """Return what a file's outputs are; None where they are not this task's, or nothing proves that they are."""

    def canvas(self, imgsz: tuple[int, int]) -> Canvas:
        """Return an input to lay images into, as the task's networks are shown them."""

    def decode(
        self, outputs: Sequence[Values], metadata: ModelMetadata, thresholds: Thresholds, placed: Letterbox
    ) -> Found:
        """Return what the outputs say, in pixels of the image.

        Args:
            outputs: in the file's order, not written to: float32, float16, or quantized as the chip has them.
            metadata: the model's layout.
            thresholds: what is kept.
            placed: how the image lies in the model's input.
        """

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        """Return made-up outputs in which there is something to find; the same at every call."""

    def holds(self, found: object) -> bool:
        """Return whether these are results of this task; of those of a task that adds to its own, too."""

    def likeness(self, expected: Found, found: Found) -> tuple[Likeness, ...]:
        """Return how alike two runs are in all that the task says beside class, box and confidence.

        Args:
            expected: of the one; boxes are those of objects that both have.
            found: of the other, the same objects in the same order.
        """

    def record(self, found: Found, wording: Wording) -> list[dict[str, Any]]:
        """Return plain JSON values, a dict each, in the same order; rounded, as people read them."""

    def read(self, records: Sequence[Mapping[str, Any]]) -> Found:
        """Return the results that record() wrote.

        Raises:
            KeyError, TypeError, ValueError: not such records.
        """

    def draw(self, canvas: Image, found: Found, names: Mapping[int, str] | Sequence[str]) -> None:
        """Draw into a BGR image."""
