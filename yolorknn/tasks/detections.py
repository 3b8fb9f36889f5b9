"""Detections: what a detector found in one image, as a frozen struct of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = slice | list[int] | NDArray[np.bool_] | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one image, the most confident first. Field names and order are those of supervision.

    Attributes:
        xyxy: float32 (N, 4), corners x1, y1, x2, y2 in pixels of the original image, clipped to it.
        confidence: float32 (N,), 0 to 1.
        class_id: int64 (N,), index into the model's names.

    Raises:
        ValueError: the arrays' shapes do not fit together.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]

    def __post_init__(self) -> None:
        xyxy = np.asarray(self.xyxy, np.float32).view()
        confidence = np.asarray(self.confidence, np.float32).view()
        class_id = np.asarray(self.class_id, np.int64).view()
        count = len(xyxy)
        if xyxy.shape != (count, 4) or confidence.shape != (count,) or class_id.shape != (count,):
            raise ValueError(
                "Detections need xyxy (N, 4), confidence (N,) and class_id (N,), "
                f"not {xyxy.shape}, {confidence.shape} and {class_id.shape}"
            )
        for name, array in (("xyxy", xyxy), ("confidence", confidence), ("class_id", class_id)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls) -> Detections:
        """Return the detections of an image in which nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], float, int]]:
        """Iterate over (xyxy float32 (4,), confidence, class_id) box by box."""
        for xyxy, confidence, class_id in zip(self.xyxy, self.confidence, self.class_id, strict=True):
            yield xyxy, float(confidence), int(class_id)

    def __getitem__(self, index: Index | int) -> Detections:
        """Return the chosen boxes: `detections[detections.confidence > 0.5]`; an int gives one box."""
        chosen: Any = [index] if isinstance(index, (int, np.integer)) else index
        return Detections(self.xyxy[chosen], self.confidence[chosen], self.class_id[chosen])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return (
            np.array_equal(self.xyxy, other.xyxy)
            and np.array_equal(self.confidence, other.confidence)
            and np.array_equal(self.class_id, other.class_id)
        )

    __hash__ = None  # type: ignore[assignment]

    def to_supervision(self) -> Any:
        """Return a supervision.Detections with copies of the arrays.

        Raises:
            ImportError: supervision is not installed.
        """
        try:
            import supervision  # noqa: PLC0415
        except ImportError as exc:
            raise ImportError(
                "to_supervision() needs supervision, which is not installed: pip install supervision"
            ) from exc

        return supervision.Detections(
            self.xyxy.copy(), confidence=self.confidence.copy(), class_id=self.class_id.copy()
        )
