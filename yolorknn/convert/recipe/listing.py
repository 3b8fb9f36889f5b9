"""The calibration set of a generic model: files as the user has them, and as the toolkit wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.data.dataset import LISTING, SHEET
from yolorknn.data.input_files import INPUT_SUFFIXES, channels_first, read_archive, read_input, takes_pictures
from yolorknn.errors import CalibrationError
from yolorknn.files import decoded, sha256, writing
from yolorknn.image import IMAGE_SUFFIXES
from yolorknn.model.metadata import Tensor
from yolorknn.text import reason_of


class Listing(NamedTuple):
    """Calibration files as the toolkit wants them."""

    path: Path
    """The list: one line per inference, a file of the list's folder per input."""
    rows: int
    digest: str
    """sha256 over the files, in order."""


def listing(dataset: Path, scratch: Path, inputs: Sequence[Tensor] = ()) -> Listing:
    """Write the list of calibration files as the toolkit wants it; it reads .npy files, and reads and resizes pictures.

    Args:
        dataset: a folder, a file an inference; or a list (.txt), one line per inference, a file per input, separated by
            spaces. A file is a picture, a .npy, or a .npz, which may be for all inputs, by their names.
        scratch: folder for the list, links to the files, and arrays out of .npz files.
        inputs: the model's, where they are known.

    Raises:
        CalibrationError: absent or empty, names a file that is not there, or has not a file for each input.
        SourceError: a .npz cannot be read.
    """
    rows = rows_of(dataset)
    lines = [_files(row, dataset, scratch, inputs) for row in rows]
    made = scratch / "dataset.txt"
    with writing(made):
        # names alone, as the toolkit parts a line at blanks, and the folder may have such
        made.write_text("".join(" ".join(Path(file).name for file in line) + "\n" for line in lines))
    return Listing(made, len(rows), sha256(*(path for row in rows for path in row)))


def rows_of(dataset: Path) -> list[list[Path]]:
    """Return the files of a calibration set, a row an inference, a file an input; see listing().

    Raises:
        CalibrationError: absent or empty, or names a file that is not there.
    """
    try:
        if (dataset / SHEET).is_file() and (dataset / LISTING).is_file():
            return rows_of(dataset / LISTING)  # of `yolorknn calibrate`, whose images lie in a folder there
        if dataset.is_dir():
            shown = sorted(path for path in dataset.iterdir() if not path.name.startswith("."))
            rows = [[path] for path in shown if path.suffix.lower() in INPUT_SUFFIXES]
        else:
            lines = decoded(dataset.read_bytes()).splitlines()
            rows = [[dataset.parent / name for name in line.split()] for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        raise CalibrationError(
            f"cannot read the calibration set {dataset}: {reason_of(exc)}; "
            "for a generic model, give a folder of images or a list (.txt)"
        ) from exc
    if not rows:
        raise CalibrationError(f"{dataset} has no images")
    for path in (path for row in rows for path in row):
        if not path.is_file():
            raise CalibrationError(f"{dataset}: there is no file {path} (a name in a list may have no spaces)")
    return rows


def _files(row: Sequence[Path], dataset: Path, scratch: Path, inputs: Sequence[Tensor]) -> list[str]:
    """Return the files of one inference that the toolkit reads, an input each."""
    names = ", ".join(tensor.name for tensor in inputs)
    if len(row) == 1 and len(inputs) > 1 and row[0].suffix.lower() == ".npz":
        arrays = read_archive(row[0])
        if missing := [tensor.name for tensor in inputs if tensor.name not in arrays]:
            raise CalibrationError(f"{row[0]} has no array '{missing[0]}', and the model takes {names}")
        return [_saved(arrays[tensor.name], scratch) for tensor in inputs]
    if inputs and len(row) != len(inputs):
        raise CalibrationError(
            f"{dataset} has rows of {len(row)} files, as that of {row[0].name}, and the model takes {len(inputs)}: "
            f"{names}; give a list (.txt) with so many files a line, or a .npz of arrays by these names"
        )
    files = []
    for number, path in enumerate(row):
        tensor = inputs[number] if inputs else Tensor("", (), "")
        if path.suffix.lower() == ".npz":
            if not inputs and len(arrays := read_archive(path)) != 1:
                raise CalibrationError(
                    f"{path} holds {len(arrays)} arrays ({', '.join(arrays)}), and this model's inputs have no known "
                    "names: give a list (.txt) with a file for each input a line"
                )
            files.append(_saved(read_input(path, tensor), scratch))
        elif path.suffix.lower() in IMAGE_SUFFIXES and inputs and not takes_pictures(tensor):
            shape = "x".join(str(side or "any") for side in tensor.shape)
            raise CalibrationError(f"{path} is a picture, and input {tensor.name} of {shape} takes none: give a .npy")
        elif path.suffix.lower() in IMAGE_SUFFIXES and inputs and not channels_first(tensor):
            files.append(_saved(read_input(path, tensor).astype(np.float32), scratch))  # the toolkit reads NCHW alone
        else:
            files.append(link(path, scratch))
    return files


def _saved(array: NDArray[Any], scratch: Path) -> str:
    """Write an array where the toolkit finds it; float64, which it does not take, as float32."""
    path = _free(scratch, ".npy")
    with writing(path):
        np.save(path, array.astype(np.float32) if array.dtype == np.float64 else array)
    return str(path)


def link(path: Path, scratch: Path) -> str:
    """Return a name for the file that the vendor's code can take, whatever is in its own."""
    made = _free(scratch, path.suffix.lower())
    with writing(made):
        made.symlink_to(path.resolve())
    return str(made)


def _free(scratch: Path, suffix: str) -> Path:
    return scratch / f"{sum(1 for _ in scratch.iterdir())}{suffix}"
