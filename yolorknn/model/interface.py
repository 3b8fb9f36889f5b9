"""A model's inputs and outputs as its own source has them, whatever a chip or a runtime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from yolorknn.model.metadata import Tensor
from yolorknn.model.onnx_file import OnnxFacts
from yolorknn.model.read import ModelFile

NUMPY = {"float": "float32", "double": "float64"}
"""numpy's names for ONNX's, where they differ."""


class Interface(NamedTuple):
    """What a model takes and gives: names, shapes (0 for a side of any length), numpy's dtypes; images are NCHW."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def interface_of(file: ModelFile) -> Interface:
    """Return the interface that a file states."""
    dtypes: Mapping[str, str] = {} if isinstance(file, OnnxFacts) else file.dtypes
    return Interface(_stated(file.inputs, dtypes), _stated(file.outputs, dtypes))


def _stated(tensors: Sequence[Tensor], dtypes: Mapping[str, str]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(
            tensor.name,
            tensor.shape,
            dtypes.get(tensor.name, NUMPY.get(tensor.dtype, tensor.dtype)),
            "NCHW" if len(tensor.shape) == 4 else "",
        )
        for tensor in tensors
    )
