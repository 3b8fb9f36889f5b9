"""The inverse of decode: head tensors that say exactly the given boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.tasks.known import output_shapes


@dataclass(frozen=True)
class Cell:
    """One box to write: where, which class, how sure, and its distances to left, top, right, bottom in cells."""

    stride: int
    row: int
    column: int
    class_id: int
    confidence: float
    sides: tuple[float, float, float, float]

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The box in input pixels."""
        x, y = self.column + 0.5, self.row + 0.5
        left, top, right, bottom = self.sides
        return (
            (x - left) * self.stride,
            (y - top) * self.stride,
            (x + right) * self.stride,
            (y + bottom) * self.stride,
        )


def split_metadata(
    imgsz: tuple[int, int],
    classes: int,
    *,
    strides: tuple[int, ...] = (8, 16, 32),
    reg_max: int = 16,
    sums: bool = False,
) -> ModelMetadata:
    """Return the metadata of a split head."""
    roles: tuple[str, ...] = ("box", "cls", "sum") if sums else ("box", "cls")
    outputs = tuple(Output(f"{role}{stride}", role, stride) for stride in strides for role in roles)
    return ModelMetadata(
        names=tuple(f"n{i}" for i in range(classes)), imgsz=imgsz, head="split", outputs=outputs, reg_max=reg_max
    )


def decoded_metadata(imgsz: tuple[int, int], classes: int, *, normalized: bool) -> ModelMetadata:
    """Return the metadata of a decoded head."""
    return ModelMetadata(
        names=tuple(f"n{i}" for i in range(classes)),
        imgsz=imgsz,
        head="decoded",
        outputs=(Output("output0", "decoded", 0),),
        normalized=normalized,
    )


def encode_split(metadata: ModelMetadata, cells: list[Cell]) -> list[NDArray[np.float32]]:
    """Write a split head; cells that are not given are background."""
    shapes = output_shapes(metadata)
    arrays = []
    for output in metadata.outputs:
        array = np.zeros(shapes[output.name], np.float32)
        for cell in cells:
            if cell.stride != output.stride:
                continue
            place = (cell.row, cell.column)
            if output.role == "cls":
                array[0, cell.class_id][place] = cell.confidence
            elif output.role == "sum":
                array[0, 0][place] = min(1.0, array[0, 0][place] + cell.confidence)
            elif metadata.reg_max == 1:
                array[0, :, cell.row, cell.column] = cell.sides
            else:
                array[0, :, cell.row, cell.column] = np.concatenate(
                    [_logits(side, metadata.reg_max) for side in cell.sides]
                )
        arrays.append(array)
    return arrays


def _logits(distance: float, reg_max: int) -> NDArray[np.float64]:
    """Return a distribution over 0..reg_max-1 whose mean is `distance`: two neighbouring bins share it."""
    low = min(int(distance), reg_max - 2)
    chance = np.full(reg_max, 1e-30)
    chance[low], chance[low + 1] = 1 - (distance - low), distance - low
    logits: NDArray[np.float64] = np.log(np.maximum(chance, 1e-30))
    return logits


def encode_decoded(metadata: ModelMetadata, cells: list[Cell]) -> list[NDArray[np.float32]]:
    """Write a decoded head."""
    height, width = metadata.imgsz
    array = np.zeros(output_shapes(metadata)["output0"], np.float32)
    scale = np.array([width, height, width, height]) if metadata.normalized else np.ones(4)
    for cell in cells:
        before = sum((height // s) * (width // s) for s in (8, 16, 32) if s < cell.stride)
        anchor = before + cell.row * (width // cell.stride) + cell.column
        x1, y1, x2, y2 = cell.xyxy
        array[0, :4, anchor] = np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) / scale
        array[0, 4 + cell.class_id, anchor] = cell.confidence
    return [array]
