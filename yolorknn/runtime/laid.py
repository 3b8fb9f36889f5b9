"""Arrays that a user gives as a session takes them, checked first, as the vendor's code checks little; and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InferenceError, InputError
from yolorknn.model.interface import Interface
from yolorknn.model.metadata import Tensor
from yolorknn.model.values import floats, values_of
from yolorknn.runtime.session import Session

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def run_as_own(session: Session, own: Interface, given: Mapping[str, object]) -> dict[str, NDArray[Any]]:
    """Run a session on what the model itself takes, and return what the model itself gives.

    Args:
        session: of the model, wherever it runs.
        own: the model's inputs and outputs.
        given: an array for each input, by name; see laid().

    Returns:
        The outputs by name; see as_own().

    Raises:
        InputError: one is absent or unknown, or see laid().
        InferenceError: see Session.run.
    """
    taken = {tensor.name: tensor for tensor in session.inputs}
    return as_own(session.run(all_laid(given, own.inputs, taken)), session.outputs, own.outputs)


def all_laid(
    given: Mapping[str, object], own: Sequence[Tensor], taken: Mapping[str, Tensor]
) -> dict[str, NDArray[Any]]:
    """Return a model's inputs as a session takes them.

    Args:
        given: values by name.
        own: the inputs as the model has them.
        taken: as the session has them, by name.

    Raises:
        InputError: one is absent or unknown, or see laid().
    """
    count = f"{len(own)} inputs" if len(own) != 1 else "one input"
    has = f"the model has {count} ({', '.join(tensor.name for tensor in own)})"
    if missing := [tensor.name for tensor in own if given.get(tensor.name) is None]:
        raise InputError(f"input {missing[0]} is not given: {has}")
    if unknown := given.keys() - {tensor.name for tensor in own}:
        raise InputError(f"there is no input {min(unknown)}: {has}")
    return {tensor.name: laid(given[tensor.name], tensor, taken[tensor.name]) for tensor in own}


def as_own(
    given: Mapping[str, NDArray[Any]], promised: Sequence[Tensor], own: Sequence[Tensor]
) -> dict[str, NDArray[Any]]:
    """Return what a session gave as the model itself has it: floats as float32, integers as its own; see check_whole().

    Args:
        given: by the session's names.
        promised: the outputs as the session has them.
        own: the same as the model has them.
    """
    return {tensor.name: _own(given[there.name], there, tensor) for there, tensor in zip(promised, own, strict=True)}


def _own(array: NDArray[Any], tensor: Tensor, own: Tensor) -> NDArray[Any]:
    values: NDArray[Any] = floats(values_of(array, tensor)) if tensor.scale is not None else array
    if own.dtype in INTEGERS:
        return _whole(values, own) if values.dtype.kind == "f" else values.astype(own.dtype, copy=False)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _whole(values: NDArray[Any], own: Tensor) -> NDArray[Any]:
    """Return floats of a chip as the model's integers; as floats where one is none, as of what float16 has not."""
    rounded: NDArray[Any] = np.rint(values.astype(np.float64))
    if own.dtype == "bool":
        return rounded.astype(bool)
    limits = np.iinfo(own.dtype)
    whole = ((rounded >= int(limits.min)) & (rounded < float(int(limits.max) + 1))).all()
    return rounded.astype(own.dtype) if whole else rounded


def check_whole(outputs: Mapping[str, NDArray[Any]], own: Sequence[Tensor]) -> None:
    """Refuse what as_own() left as floats, which the model gives as integers.

    Raises:
        InferenceError: there is such.
    """
    for tensor in own:
        if tensor.dtype in INTEGERS and outputs[tensor.name].dtype.kind == "f":
            raise InferenceError(
                f"output {tensor.name} has values that are no {tensor.dtype}, which the model gives: float16, in which "
                "a chip computes, ends at 65504"
            )


def laid(value: object, own: Tensor, taken: Tensor) -> NDArray[Any]:
    """Return an input as a session takes it.

    Args:
        value: numbers, in the shape of `own`; an axis of length 1 in front may be absent.
        own: the input as the model has it.
        taken: the input as the session has it.

    Raises:
        InputError: other numbers, or another shape.
    """
    array = _shaped(_numbers(value, own), own)
    if taken.dtype == "uint8" and array.dtype == np.uint8 and own.dtype in FLOATS:
        cast: NDArray[Any] = array  # as every runtime takes images
    else:
        cast = _cast(array, own)
    if taken.layout == "NHWC":
        cast = cast.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(cast).reshape(cast.shape)  # a scalar has become an array of one


def _numbers(value: object, own: Tensor) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as exc:
        raise InputError(f"input {own.name} is no array of numbers: {exc}") from exc
    if array.dtype.kind not in "biuf":
        raise InputError(f"input {own.name} is of {array.dtype}, the model takes {own.dtype}")
    return array


def _shaped(array: NDArray[Any], own: Tensor) -> NDArray[Any]:
    if own.shape[:1] in ((1,), (0,)) and array.ndim == len(own.shape) - 1:
        array = array[None]
    if _fits(array.shape, own.shape):
        return array
    hint = ""
    if len(own.shape) == array.ndim == 4 and _fits(array.transpose(0, 3, 1, 2).shape, own.shape):
        hint = "; it looks like NHWC: transpose(0, 3, 1, 2) makes it NCHW"
    stated = "(" + ", ".join(str(side or "any") for side in own.shape) + ("," if len(own.shape) == 1 else "") + ")"
    raise InputError(f"input {own.name} is {array.shape}, the model takes {stated}{hint}")


def _fits(shape: tuple[int, ...], own: tuple[int, ...]) -> bool:
    return len(shape) == len(own) and all(side in (0, given) for side, given in zip(own, shape, strict=True))


def _cast(array: NDArray[Any], own: Tensor) -> NDArray[Any]:
    """Return the array in the model's own type, which has all its values, or to floats the nearest."""
    if own.dtype not in (*FLOATS, *INTEGERS):
        raise InputError(f"input {own.name} is of {own.dtype} in the model, which no array of numbers is")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(own.dtype, copy=False)
    if own.dtype in FLOATS:
        lost = np.isinf(cast) & ~np.isinf(array) if array.dtype.itemsize > cast.dtype.itemsize else None
        if lost is not None and lost.any():
            raise InputError(f"input {own.name} has values beyond {own.dtype}")
    elif array.dtype != cast.dtype and not np.array_equal(cast, array):
        raise InputError(f"input {own.name} has values that {own.dtype}, which the model takes, has not")
    return cast
