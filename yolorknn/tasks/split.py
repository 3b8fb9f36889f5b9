"""What split heads share, whatever their task: outputs that are grids of cells, a stride each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import NamedTuple

from yolorknn.model.evidence import Evidence, Kind
from yolorknn.model.metadata import ModelMetadata, Output, Tensor

STRIDES = (8, 16, 32)
"""The usual ones, the finest first."""
REG_MAX = (1, 16, 17)
"""Bins a side of the heads that are known: YOLO26's and YOLOv6's distances, ultralytics', and PP-YOLOE's."""
MADE: Mapping[str, tuple[Kind | None, ...]] = {"cls": ("scores", None), "sum": ("sum", None)}
"""What outputs of a role are; of other roles they are raw."""
DECODED = frozenset({"Exp", "Mul", "Div"})
"""What makes distances in pixels of what a network says, as those of FCOS and RTMDet; in cells nobody makes them so."""
OURS = frozenset({"box", "cls", "sum", "mask", "keypoints", "visibility", "angle", "radians"})
"""Roles, which with the stride are the outputs' names in a model that yolorknn exported."""


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


def read_grids(
    grids: Sequence[Grid], evidence: Evidence, forms: Sequence[Sequence[str]], **channels: int
) -> list[Output] | None:
    """Return the outputs of grids with the roles that they have; None where there is no reading, or more than one.

    They come stride by stride: see in_order().

    Args:
        grids: of all strides.
        evidence: what is known of the outputs.
        forms: the roles that a stride may have.
        channels: by role, of those besides `box`, `cls` and `sum`.
    """
    first = grids[0].channels if grids else ()
    if len({grid.channels for grid in grids}) != 1:
        return None
    readings = [
        roles
        for form in forms
        if len(form) == len(first)
        for roles in permutations(form)
        if evidence.classes in (None, first[roles.index("cls")])
        if all(
            _may_be(role, tensor, evidence, channels)
            for grid in grids
            for role, tensor in zip(roles, grid.outputs, strict=True)
        )
    ]
    if readings and "sum" in readings[0] and first[readings[0].index("cls")] == 1:
        del readings[1:]  # the score of the one class is the sum
    if len(readings) != 1:
        return None
    (roles,) = readings
    return [
        Output(tensor.name, role, grid.stride)
        for grid in grids
        for tensor, role in zip(grid.outputs, roles, strict=True)
    ]


def in_order(found: Sequence[Output], outputs: Sequence[Tensor]) -> tuple[Output, ...]:
    """Return outputs as the file has them: perhaps the boxes of all strides first, and then the classes of all."""
    named = {output.name: output for output in found}
    return tuple(named[tensor.name] for tensor in outputs)


def _may_be(role: str, tensor: Tensor, evidence: Evidence, channels: Mapping[str, int]) -> bool:
    """Return whether nothing speaks against an output's role: its channels, who makes it, its name as we write it.

    Boxes are logits of bins, no probabilities, or where there are no bins, distances in cells.
    """
    kind, count, named = evidence.kind(tensor.name), tensor.shape[1], tensor.name.rstrip("0123456789")
    if named != tensor.name and named in OURS and named != role:
        return False
    if role == "box" and (count % 4 or (kind is None and count // 4 not in REG_MAX)):
        return False
    ends = evidence.maker(tensor.name, moved=True)
    if role == "box" and (ends == "Softmax" or (count == 4 and ends in DECODED)):
        return False
    if count != {"sum": 1, **channels}.get(role, count):
        return False
    return kind in MADE.get(role, ("raw", None))


class Grid(NamedTuple):
    """Outputs of one stride."""

    stride: int
    outputs: tuple[Tensor, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each output."""
        return tuple(tensor.shape[1] for tensor in self.outputs)


def one_a_stride(grids: Sequence[Grid]) -> int | None:
    """Return the channels that each stride's one output has; None where strides have several, or others than others."""
    channels = {grid.channels for grid in grids}
    (only,) = channels if len(channels) == 1 else ((),)
    return only[0] if len(only) == 1 else None


def cells_of(imgsz: tuple[int, int], strides: Sequence[int] = STRIDES) -> int:
    """Return how many cells grids of these strides have over an input of this height and width, together."""
    return sum((imgsz[0] // stride) * (imgsz[1] // stride) for stride in strides)


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
