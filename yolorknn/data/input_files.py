"""Files as a model's inputs: arrays (.npy, .npz), and pictures for inputs that are images."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import InputError, SourceError
from yolorknn.image import IMAGE_SUFFIXES, Image, as_batch, read_image
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.tasks.known import task_of
from yolorknn.text import reason_of

MOST_BYTES = 4 << 30
"""Of the arrays in a .npz, unpacked."""
Scaling = tuple[Sequence[float], Sequence[float]]
"""Mean and std, a number a channel or one for all: of a picture, the model is given (pixel - mean) / std."""


INPUT_SUFFIXES = frozenset({*IMAGE_SUFFIXES, ".npy", ".npz"})
"""Of files that may hold an input."""


def read_row(paths: Sequence[Path], inputs: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    """Return the arrays that the files of one inference hold: one for each input in turn, or a .npz by their names.

    Raises:
        SourceError: a file cannot be read, or does not fit the input.
    """
    if len(paths) == 1 and len(inputs) > 1 and paths[0].suffix.lower() == ".npz":
        found = read_archive(paths[0])
        return {tensor.name: found[tensor.name] for tensor in inputs if tensor.name in found}
    return {tensor.name: read_input(path, tensor) for tensor, path in zip(inputs, paths, strict=False)}


def read_inputs(
    given: Sequence[str], inputs: Sequence[Tensor], *, scaling: Scaling | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays that files hold, by the names of the inputs they are for.

    Args:
        given: NAME=FILE, or a FILE for the only input, or a .npz of arrays by name.
        inputs: the model's.
        scaling: of pictures; None for pixels as they are.

    Raises:
        InputError: a text is no such, names no input, or an input is named twice.
        SourceError: a file cannot be read, or does not fit the input.
    """
    found: dict[str, NDArray[Any]] = {}
    for text in given:
        name, path = _parted(text, inputs)
        if name is None and path.suffix.lower() == ".npz":
            arrays = read_archive(path)
        elif name is None:
            raise InputError(
                f"'{text}' does not say for which of the inputs it is: give NAME={text}, NAME being one of "
                f"{', '.join(tensor.name for tensor in inputs)}"
            )
        else:
            (tensor,) = (tensor for tensor in inputs if tensor.name == name)
            arrays = {name: read_input(path, tensor, scaling=scaling)}
        if twice := found.keys() & arrays.keys():
            raise InputError(f"input {min(twice)} is given twice")
        found |= arrays
    return found


def _parted(text: str, inputs: Sequence[Tensor]) -> tuple[str | None, Path]:
    """Return the name of the input and the file; names may have = in them, and files too."""
    names = [tensor.name for tensor in inputs if text.startswith(f"{tensor.name}=")]
    if names:
        name = max(names, key=len)
        return name, Path(text[len(name) + 1 :])
    if "=" in text and not Path(text).exists():
        known = ", ".join(tensor.name for tensor in inputs)
        raise InputError(f"there is no input {text.partition('=')[0]}: the model has {known}")
    path = Path(text)
    return (inputs[0].name if len(inputs) == 1 and path.suffix.lower() != ".npz" else None), path


def read_input(path: Path, tensor: Tensor, *, scaling: Scaling | None = None) -> NDArray[Any]:
    """Return what a file holds for an input: an array as it is, of a picture the pixels, RGB, stretched to its size.

    Raises:
        SourceError: it cannot be read, or the input takes no picture.
    """
    match path.suffix.lower():
        case ".npy":
            return _array(path)
        case ".npz":
            arrays = read_archive(path)
            if tensor.name not in arrays and len(arrays) != 1:
                raise SourceError(f"{path} has no array '{tensor.name}': it has {', '.join(arrays) or 'none'}")
            return arrays[tensor.name] if tensor.name in arrays else next(iter(arrays.values()))
        case suffix if suffix in IMAGE_SUFFIXES:
            return _pixels(path, tensor, scaling)
        case suffix:
            raise SourceError(f"{path} has suffix '{suffix}': an input is a .npy, a .npz or a picture")


def _array(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as exc:
        raise SourceError(f"cannot read the array {path}: {reason_of(exc)}") from exc
    except (ValueError, EOFError, MemoryError) as exc:
        raise SourceError(f"{path} is not a readable .npy of numbers: save it anew with numpy.save") from exc
    if not isinstance(array, np.ndarray):
        raise SourceError(f"{path} is not a readable .npy of numbers: save it anew with numpy.save")
    return array


def read_archive(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a .npz by name.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as whole:
            size = sum(entry.file_size for entry in whole.infolist())
        if size > MOST_BYTES:
            raise SourceError(f"{path} holds {size >> 20} MB, which is more than inputs are")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as exc:
        raise SourceError(f"cannot read the arrays in {path}: {reason_of(exc)}") from exc
    except (ValueError, EOFError, MemoryError, KeyError, zipfile.BadZipFile, NotImplementedError) as exc:
        raise SourceError(f"{path} is not a readable .npz of numbers: save it anew with numpy.savez") from exc


def _pixels(path: Path, tensor: Tensor, scaling: Scaling | None) -> NDArray[Any]:
    axes = channels_first(tensor)
    if axes is None:
        shape = "x".join(str(side or "any") for side in tensor.shape)
        raise SourceError(f"{path} is a picture, and input {tensor.name} of {shape} takes none: give a .npy")
    channels, height, width = tensor.shape[1:] if axes else (tensor.shape[3], *tensor.shape[1:3])
    image = read_image(path)
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGR2GRAY)
    if height and width and pixels.shape[:2] != (height, width):
        pixels = cv2.resize(pixels, (width, height))
    pixels = pixels.reshape(*pixels.shape[:2], channels)
    if scaling is not None:
        mean, std = (np.array(values, np.float32) for values in scaling)
        return _placed((pixels.astype(np.float32) - mean) / std, first=axes)
    return _placed(pixels, first=axes)


def takes_pictures(tensor: Tensor) -> bool:
    """Return whether an input can be given a picture."""
    return channels_first(tensor) is not None


def channels_first(tensor: Tensor) -> bool | None:
    """Tell whether an input of pictures has the channels before height and width; None where it takes no pictures."""
    if len(tensor.shape) != 4 or tensor.shape[0] > 1:
        return None
    if tensor.shape[1] in (1, 3):
        return True
    return False if tensor.shape[3] in (1, 3) else None


def _placed(pixels: NDArray[Any], *, first: bool) -> NDArray[Any]:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if first else pixels)[None]


def laid_picture(image: Image, metadata: ModelMetadata) -> Image:
    """Return an image, BGR (H, W, 3), laid into a model's input as the detector does: uint8 (1, C, height, width)."""
    canvas = task_of(metadata).canvas(metadata.imgsz)
    canvas.fill(image)
    return as_batch(canvas.pixels, metadata.colour)


def made_up(tensor: Tensor, rng: np.random.Generator) -> NDArray[Any]:
    """Return random numbers for an input, a side of any length being 1: normal ones, of integers 0 and 1."""
    shape = tuple(side or 1 for side in tensor.shape)
    if tensor.dtype.startswith("float"):
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(0, 2, shape).astype(tensor.dtype)
