"""Detections: what a detector found in one image, as a frozen struct of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = slice | list[int] | NDArray[np.bool_] | NDArray[np.intp]

EXTRAS: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
    "mask": (np.bool_, (None, None)),
    "keypoints": (np.float32, (None, 3)),
    "xyxyxyxy": (np.float32, (4, 2)),
    "tracker_id": (np.int64, ()),
}
"""The fields that only some tasks, or a tracker, fill: dtype, and shape behind N, None for any."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects of one image, the most confident first. Field names and order are those of supervision.

    Attributes:
        xyxy: float32 (N, 4), corners x1, y1, x2, y2 in pixels of the original image, clipped to it.
        confidence: float32 (N,), 0 to 1.
        class_id: int64 (N,), index into the model's names.
        mask: of task "segment": bool (N, height, width), the pixels of the original image that are the object's.
        keypoints: of task "pose": float32 (N, K, 3), x and y in pixels of the original image, clipped to it, and
            visibility, 0 to 1; 1 where the model has none.
        xyxyxyxy: of task "obb": float32 (N, 4, 2), the corners in turn in pixels of the original image; xyxy is the
            upright box around them.
        tracker_id: int64 (N,), of a tracker: the same number for the same object in every frame; -1 of one that was
            seen once only.

    Raises:
        ValueError: the arrays' shapes do not fit together.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]
    mask: NDArray[np.bool_] | None = None
    keypoints: NDArray[np.float32] | None = None
    xyxyxyxy: NDArray[np.float32] | None = None
    tracker_id: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        xyxy = np.asarray(self.xyxy, np.float32).view()
        confidence = np.asarray(self.confidence, np.float32).view()
        class_id = np.asarray(self.class_id, np.int64).view()
        count = xyxy.shape[0] if xyxy.ndim else 0
        if xyxy.shape != (count, 4) or confidence.shape != (count,) or class_id.shape != (count,):
            raise ValueError(
                "Detections need xyxy (N, 4), confidence (N,) and class_id (N,), "
                f"not {xyxy.shape}, {confidence.shape} and {class_id.shape}"
            )
        arrays: dict[str, NDArray[Any]] = {"xyxy": xyxy, "confidence": confidence, "class_id": class_id}
        for name, (dtype, shape) in EXTRAS.items():
            if (given := getattr(self, name)) is not None:
                arrays[name] = np.asarray(given, dtype).view()
                if not _fits(arrays[name].shape, (count, *shape)):
                    wanted = ", ".join(str(side or "any") for side in shape)
                    raise ValueError(f"Detections of {count} need {name} ({count}, {wanted}), not {arrays[name].shape}")
        for array in arrays.values():
            array.flags.writeable = False
        self.__dict__.update(arrays)  # as the struct is frozen

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self.arrays().values():  # which numpy copies and pickles as arrays that may be written to
            array.flags.writeable = False

    @classmethod
    def empty(cls) -> Detections:
        """Return the detections of an image in which nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields that are there, by name."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in every.items() if array is not None}

    def __len__(self) -> int:
        return len(self.xyxy)

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], float, int]]:
        """Iterate over (xyxy float32 (4,), confidence, class_id) object by object."""
        for xyxy, confidence, class_id in zip(self.xyxy, self.confidence, self.class_id, strict=True):
            yield xyxy, float(confidence), int(class_id)

    def __getitem__(self, index: Index | int) -> Detections:
        """Return the chosen objects: `detections[detections.confidence > 0.5]`; an int gives one."""
        chosen: Any = [index] if isinstance(index, (int, np.integer)) else index
        return Detections(**{name: array[chosen] for name, array in self.arrays().items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        ours, theirs = self.arrays(), other.arrays()
        return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)

    __hash__ = None  # type: ignore[assignment]

    def to_supervision(self) -> Any:
        """Return a supervision.Detections with copies of the arrays; corners and keypoints are in its `data`.

        Raises:
            ImportError: supervision is not installed.
        """
        supervision = import_supervision()
        copies = {name: array.copy() for name, array in self.arrays().items()}
        data = {name: copies.pop(name) for name in ("keypoints", "xyxyxyxy") if name in copies}
        return supervision.Detections(**copies, data=data)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w in (None, side) for side, w in zip(shape, wanted, strict=True))


def import_supervision() -> Any:
    """Return the package, which is the user's own.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import supervision  # noqa: PLC0415
    except ImportError as exc:
        raise ImportError(
            "to_supervision() needs supervision, which is not installed: pip install supervision"
        ) from exc
    return supervision
