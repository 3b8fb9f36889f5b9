"""Mean and std that a build puts into a .rknn, and what the float model is given in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import Tensor

Arrays: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Normal:
    """Mean and std by input, a number a channel: a .rknn's own, which the float model has not."""

    values: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    def normalised(self, arrays: Arrays) -> Arrays:
        """Return what the float model takes, of what the .rknn takes."""
        return {name: self._float(name, array) for name, array in arrays.items()}

    def _float(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if name not in self.values:
            return array
        mean, std = self.shaped(name, array.ndim)
        changed: NDArray[Any] = (array.astype(np.float32) - mean) / std
        return changed

    def shaped(self, name: str, axes: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return mean and std of an input, to be used with an array of so many axes."""
        mean, std = (np.array(part, np.float32).reshape(1, -1, *[1] * (axes - 2)) for part in self.values[name])
        return mean, std


def normal_of(config: Mapping[str, Any], own: Sequence[Tensor]) -> Normal:
    """Return the mean and std that a generic model is built with, by [config]."""
    means, stds = (config.get(name) for name in ("mean_values", "std_values"))
    if not means and not stds:
        return Normal({})
    count = max(len(means or ()), len(stds or ()))
    pairs = zip(means or [[0.0]] * count, stds or [[1.0]] * count, strict=False)
    return Normal(
        {tensor.name: (_numbers(mean), _numbers(std)) for tensor, (mean, std) in zip(own, pairs, strict=False)}
    )


def _numbers(values: Any) -> list[float]:
    return [float(value) for value in values] if isinstance(values, (list, tuple)) else [float(values)]
