"""What a model of any kind gave, as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import ModelError
from yolorknn.files import atomic
from yolorknn.runtime.agreeing import number
from yolorknn.text import printable

SHOWN = 6
"""Values of an output that are shown."""


@dataclass(frozen=True)
class Ran:
    """The outputs of one run."""

    model: str
    where: str
    """As a sentence goes on: "onnxruntime", "the simulator", "the NPU"."""
    ms: float
    """What the run took, without opening the model."""
    outputs: Mapping[str, NDArray[Any]]
    top: int = 0
    """How many of the largest values of each output are told, with their places."""
    names: Sequence[str] | None = None
    """Of the places of these, in an output that has as many values.

    Raises:
        ModelError: none has.
    """

    def __post_init__(self) -> None:
        if self.names is not None and all(len(self.names) != array.size for array in self.outputs.values()):
            sizes = ", ".join(f"{name} has {array.size}" for name, array in self.outputs.items())
            raise ModelError(f"there are {len(self.names)} names, and of the outputs of {self.model} {sizes} values")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; the arrays themselves are what save() writes."""
        return {
            "model": self.model,
            "where": self.where,
            "ms": round(self.ms, 3),
            "outputs": {name: self._told(array) for name, array in self.outputs.items()},
        }

    def table(self) -> str:
        """Return it as lines for people."""
        lines = [f"{printable(self.model)} on {self.where}, {self.ms:.1f} ms"]
        for name, array in self.outputs.items():
            told = self._told(array)
            shape = "x".join(map(str, array.shape)) or "one number"
            lines.append(f"\n{printable(name)}  {shape} {array.dtype}")
            if told["not_finite"] < array.size:
                lines.append(f"  {told['min']:g} to {told['max']:g}, mean {told['mean']:g}")
            lines.append(
                f"  {' '.join(f'{value:g}' for value in array.ravel()[:SHOWN])}{' ...' * (array.size > SHOWN)}"
            )
            if told["not_finite"]:
                lines.append(
                    f"  {told['not_finite']} of {array.size} values are infinite or no numbers: float16 ends at 65504"
                )
            lines += [
                f"  {number(row['value'], '.6g'):>12}  {row['index']:>6}  {printable(row['name'])}"
                for row in told.get("top", ())
            ]
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write the outputs as a .npz of arrays by name.

        Raises:
            OutputError: it cannot be written.
        """
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(self.outputs))

    def _told(self, array: NDArray[Any]) -> dict[str, Any]:
        numbers = array.astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        least, most, mean = (
            (float(finite.min()), float(finite.max()), float(finite.mean())) if finite.size else (None,) * 3
        )
        told: dict[str, Any] = {
            "shape": list(array.shape),
            "dtype": array.dtype.name,
            "min": least,
            "max": most,
            "mean": mean,
            "not_finite": int(numbers.size - finite.size),
        }
        if self.top and array.size > 1:
            flat = numbers.ravel()
            order = np.argsort(-np.where(np.isnan(flat), -np.inf, flat), kind="stable")[: self.top]
            told["top"] = [
                {"index": int(place), "value": finite_or_none(flat[place]), "name": self._name(int(place), flat.size)}
                for place in order
            ]
        return told

    def _name(self, place: int, size: int) -> str:
        return self.names[place] if self.names is not None and len(self.names) == size else ""


def finite_or_none(value: np.float64) -> float | None:
    """Return what JSON has for a number."""
    return float(value) if np.isfinite(value) else None
