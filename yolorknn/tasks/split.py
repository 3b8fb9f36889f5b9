"""What split heads share, whatever their task: outputs that are grids of cells, a stride each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from yolorknn.model.metadata import ModelMetadata, Tensor


def split_shapes(metadata: ModelMetadata, **channels: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output by name, in the file's order.

    Args:
        metadata: the model's layout.
        channels: by role, of those that a task has besides `box`, `cls` and `sum`.

    Raises:
        KeyError: an output has a role of another task.
    """
    height, width = metadata.imgsz
    sides = {"box": 4 * metadata.reg_max, "cls": len(metadata.names), "sum": 1, **channels}
    return {out.name: (1, sides[out.role], height // out.stride, width // out.stride) for out in metadata.outputs}


def split_fits(shapes: Mapping[str, tuple[int, ...]], outputs: Sequence[Tensor]) -> bool:
    """Return whether a file's outputs have these names, order and shapes."""
    return [(tensor.name, tensor.shape) for tensor in outputs] == list(shapes.items())


class Grid(NamedTuple):
    """Outputs of one stride."""

    stride: int
    outputs: tuple[Tensor, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each output."""
        return tuple(tensor.shape[1] for tensor in self.outputs)


def grids_of(imgsz: tuple[int, int], outputs: Sequence[Tensor]) -> list[Grid]:
    """Return outputs by stride, in the file's order; nothing where one is no grid over the input."""
    found: dict[int, list[Tensor]] = {}
    for tensor in outputs:
        if len(tensor.shape) != 4 or min(tensor.shape) < 1:
            return []
        height, width = tensor.shape[2:]
        if imgsz[0] % height or imgsz[0] // height * width != imgsz[1]:
            return []
        found.setdefault(imgsz[0] // height, []).append(tensor)
    return [Grid(stride, tuple(group)) for stride, group in found.items()]
