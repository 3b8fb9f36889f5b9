"""What librknnrt says of itself and of a model: what cannot be, or is not what the file says, is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence, Set
from typing import Any

import numpy as np

from yolorknn.errors import BackendError
from yolorknn.model.metadata import Tensor
from yolorknn.model.rknn_file import RknnFile
from yolorknn.model.values import INTEGERS, usable
from yolorknn.runtime import rknn_api
from yolorknn.runtime.rknn_api import Attributes, Counts, Versions, words
from yolorknn.runtime.session import image_input

OLDEST = (1, 6)
"""Older libraries do not read the models of rknn-toolkit2 2."""


class Said:
    """The answers of one context, checked.

    Args:
        ask: fills a struct with the answer to a question of rknn_api, and returns the call's code.
        where: the model and core, for messages.

    Raises (each method):
        BackendError: the library refused to answer, or the answer cannot be.
    """

    def __init__(self, ask: Callable[[int, Any], int], where: str) -> None:
        self._ask, self._where = ask, where

    def version(self) -> str:
        """Return the library's version."""
        said = Versions()
        self._asked(rknn_api.VERSION, said)
        found = re.match(rb"(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?(?![\d.])", said.api)
        if not found:
            raise self._nonsense(f"that its version is {said.api[:40]!r}")
        if (int(found[1]), int(found[2])) < OLDEST:
            raise BackendError(f"librknnrt {found[0].decode()} is too old for {self._where}: see 'yolorknn doctor'")
        return found[0].decode()

    def tensors(self, file: RknnFile) -> tuple[list[Tensor], list[Tensor]]:
        """Return the inputs and outputs as they are given and taken, having compared what is said with the file."""
        said = Counts()
        self._asked(rknn_api.COUNTS, said)
        if (said.inputs, said.outputs) != (len(file.inputs), len(file.outputs)):
            raise self._nonsense(f"that it has {said.inputs} inputs and {said.outputs} outputs")
        inputs = [self._checked(rknn_api.INPUT, number, file.inputs) for number in range(said.inputs)]
        return inputs, [self._checked(rknn_api.OUTPUT, number, file.outputs) for number in range(said.outputs)]

    def _checked(self, what: int, number: int, every: Sequence[Tensor]) -> Tensor:
        stated = every[number]
        said = Attributes(index=number)
        self._asked(what, said)
        if said.n_dims > len(said.dims):
            raise self._nonsense(f"that {stated.name} has {said.n_dims} dimensions")
        taken = image_input(stated) if what == rknn_api.INPUT else stated
        shape = tuple(said.dims[: said.n_dims])
        self._check_name(said, stated.name, {tensor.name for tensor in every})
        if said.index != number:
            raise self._nonsense(f"that {stated.name} is number {said.index}")
        if _squeezed(shape) not in (_squeezed(stated.shape), _squeezed(taken.shape)):
            raise self._nonsense(f"that {stated.name} has shape {shape}, where the file has {stated.shape}")
        if said.n_elems != math.prod(stated.shape):
            raise self._nonsense(f"that {stated.name} of shape {shape} has {said.n_elems} numbers")
        dtype = rknn_api.TYPES.get(said.type)
        if dtype is None:
            raise self._nonsense(f"that the numbers of {stated.name} are of type {said.type}")
        if what == rknn_api.INPUT:
            return taken
        if said.format not in rknn_api.LAYOUTS:
            raise self._nonsense(f"that {stated.name} lies in layout {said.format}")
        if dtype in (*INTEGERS, "float16") and said.size != said.n_elems * np.dtype(dtype).itemsize:
            raise self._nonsense(f"that {stated.name} has {said.n_elems} numbers of {dtype} in {said.size} bytes")
        if said.quantization not in rknn_api.QUANTIZATIONS:
            raise self._nonsense(f"that {stated.name} is quantized in way {said.quantization}")
        if said.quantization == rknn_api.AFFINE and dtype in INTEGERS:
            if not usable(dtype, said.scale, said.zero_point):
                raise self._nonsense(f"that {stated.name} has scale {said.scale} and zero point {said.zero_point}")
            return stated._replace(dtype=dtype, scale=said.scale, zero_point=said.zero_point)
        return stated._replace(dtype=dtype if dtype in ("float32", "float16") else "float32")

    def _check_name(self, said: Attributes, stated: str, every: Set[str]) -> None:
        try:
            name = said.name.decode()
        except UnicodeDecodeError:
            name = ""
        if not name or not name.isprintable():
            raise self._nonsense(f"that the name of {stated} is {said.name[:40]!r}")
        if name != stated and name in every:  # they are in another order, and may be of one shape
            raise self._nonsense(f"that {stated} is {name}, which is another")

    def _asked(self, what: int, answer: Any) -> None:
        if code := self._ask(what, answer):
            raise BackendError(f"{words(f'rknn_query({what})', code)} for {self._where}: {rknn_api.WAY_OUT}")

    def _nonsense(self, what: str) -> BackendError:
        return BackendError(f"librknnrt says of {self._where} {what}, which cannot be: {rknn_api.WAY_OUT}")


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without axes of length 1, of which some libraries add one to three dimensions."""
    return tuple(side for side in shape if side != 1)
