"""Mean and std that a build puts into a .rknn, and what the float model is given in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import BuildError
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
    means, stds = (_of_inputs(config.get(name), len(own)) for name in ("mean_values", "std_values"))
    each = zip(own, means, stds, strict=True)
    return Normal({tensor.name: (mean or [0.0], std or [1.0]) for tensor, mean, std in each if mean or std})


def sized(load: Mapping[str, Any]) -> list[Tensor]:
    """Return inputs of which [load] gives the sizes alone, as of a TorchScript; none where they are no sizes."""
    sizes: Any = load.get("input_size_list")
    if not isinstance(sizes, list):
        return []
    whole = all(isinstance(size, list) and all(isinstance(side, int) for side in size) for size in sizes)
    return [Tensor(f"input {number}", tuple(size), "") for number, size in enumerate(sizes if whole else (), 1)]


def check_normal(model: Path, inputs: Sequence[Tensor], config: Mapping[str, Any]) -> None:
    """Refuse mean and std that are not as many as an input has along its second axis, the only one the toolkit takes.

    Args:
        model: called so in errors.
        inputs: as they are loaded.
        config: the toolkit's, with `mean_values` and `std_values`.

    Raises:
        BuildError: they are not; where that axis is no channels, as their channels are the last, that is said.
    """
    for key in ("mean_values", "std_values"):
        for tensor, values in zip(inputs, _of_inputs(config.get(key), len(inputs)), strict=True):
            count = tensor.shape[1] if len(tensor.shape) > 1 else 0
            if not values or not count or len(values) == count:
                continue
            sides = "x".join(str(side or "any") for side in tensor.shape)
            last = len(tensor.shape) == 4 and tensor.shape[3] == len(values)
            why = ", and its channels are the last: export it with the channels second, or scale in the model" * last
            raise BuildError(
                f"--{key.removesuffix('_values')} {','.join(f'{value:g}' for value in values)} does not fit "
                f"{tensor.name} of {model}, which is {sides}: rknn-toolkit2 wants a number for each of the {count} "
                f"along its second axis{why}"
            )


def _of_inputs(given: Any, count: int) -> list[list[float]]:
    """Return the numbers of each of so many inputs, as the toolkit takes them: none where there are none for it.

    Numbers that are in no list of their own are the first input's; what is no number the toolkit refuses.
    """
    lists = given if isinstance(given, (list, tuple)) else ()
    lists = lists if any(isinstance(values, (list, tuple)) for values in lists) else [lists]
    found = [list(map(float, values)) if _are_numbers(values) else [] for values in lists]
    return [*found, *[list[float]()] * count][:count]


def _are_numbers(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(value, (int, float)) for value in values)
