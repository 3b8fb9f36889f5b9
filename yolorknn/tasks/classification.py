"""Classification: what a classifier says of one image, as a frozen struct of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.tasks.detections import Detections, import_supervision

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Found = TypeVar("Found", default=Detections)
else:
    from typing import TypeVar

    Found = TypeVar("Found")
"""What a model finds in an image: Detections, or a Classification."""


@dataclass(frozen=True, eq=False)
class Classification:
    """The classes of one image, the most probable first. Field names and order are those of supervision.

    Attributes:
        class_id: int64 (N,), index into the model's names; every class once.
        confidence: float32 (N,), the probability of each, 0 to 1; of all together 1.

    Raises:
        ValueError: the arrays' shapes do not fit together.
    """

    class_id: NDArray[np.int64]
    confidence: NDArray[np.float32]

    def __post_init__(self) -> None:
        class_id = np.asarray(self.class_id, np.int64).view()
        confidence = np.asarray(self.confidence, np.float32).view()
        if class_id.ndim != 1 or class_id.shape != confidence.shape:
            raise ValueError(
                f"a Classification needs class_id (N,) and confidence (N,), not {class_id.shape} and {confidence.shape}"
            )
        for name, array in (("class_id", class_id), ("confidence", confidence)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        for array in (self.class_id, self.confidence):  # which numpy copies and pickles as ones that may be written to
            array.flags.writeable = False

    def top(self, count: int) -> Classification:
        """Return the most probable classes."""
        return Classification(self.class_id[:count], self.confidence[:count])

    def __len__(self) -> int:
        return len(self.class_id)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Iterate over (class_id, confidence), the most probable first."""
        for class_id, confidence in zip(self.class_id, self.confidence, strict=True):
            yield int(class_id), float(confidence)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Classification):
            return NotImplemented
        return np.array_equal(self.class_id, other.class_id) and np.array_equal(self.confidence, other.confidence)

    __hash__ = None  # type: ignore[assignment]

    def to_supervision(self) -> Any:
        """Return a supervision.Classifications with copies of the arrays.

        Raises:
            ImportError: supervision is not installed.
        """
        return import_supervision().Classifications(self.class_id.copy(), self.confidence.copy())


def counted_classes(found: Detections | Classification) -> list[int]:
    """Return the class ids of what was found: of each object, or the most probable one of the image."""
    ids: list[int] = found.class_id.tolist()
    return ids[:1] if isinstance(found, Classification) else ids
