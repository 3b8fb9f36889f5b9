"""What int8 needs of an estimator: columns that share a scale without loss, and rows that calibrate it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import ConversionError
from yolorknn.files import atomic_folder
from yolorknn.integrations.sklearn.estimators import Converted
from yolorknn.integrations.sklearn.surroundings import Affine

KEPT = ".calibration"
"""Suffix of the folder of rows that calibrated."""
DECIDED = 0.1
"""Share of a classifier's rows, those furthest from where one class ends, that calibrate nothing: of them int8 has to
know the class alone, and the range that they take would leave fewer steps for those between classes."""


def scaled(parts: Converted, data: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows (N, features) as the network takes them."""
    for affine in parts.surroundings.scaling:
        data = affine(data)
    return data.astype(np.float32)


def balanced(parts: Converted, data: NDArray[np.float64]) -> Converted:
    """Return the same estimator with its columns brought to one width, on the CPU, and the weights taking it back.

    All columns have one scale in int8, and all weights of an output: a column is divided by the root of its largest
    value over its largest weight (Xiao et al., "SmoothQuant", 2023), so that neither drowns the others.

    Args:
        parts: an estimator.
        data: rows (N, features) that calibrate.
    """
    around, (first, *others) = parts.surroundings, parts.layers
    if around.ending == "distances":  # to which the rows as they are belong too
        return parts
    values, weights = (np.abs(array).max(0).astype(np.float64) for array in (scaled(parts, data), first.weights))
    used = (values > 0) & (weights > 0)
    widths = np.sqrt(np.divide(values, weights, out=np.ones_like(values), where=used))
    return replace(
        parts,
        layers=(replace(first, weights=(first.weights * widths).astype(np.float32)), *others),
        surroundings=replace(around, scaling=(*around.scaling, Affine(1 / widths, np.zeros_like(widths)))),
    )


def calibrating(parts: Converted, data: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the rows that calibrate, as the network takes them; see DECIDED."""
    values = taken = scaled(parts, data)
    if parts.surroundings.classes is None and parts.surroundings.ending != "labels":
        return taken
    for layer in parts.layers:
        values = layer(values)
    furthest = np.abs(values).max(1)
    kept: NDArray[np.float32] = taken[furthest <= np.quantile(furthest, 1 - DECIDED)]
    return kept


def keep(taken: NDArray[np.float32], folder: Path, rows: int) -> Path:
    """Write rows that calibrate to a folder, a file a run; one that an earlier conversion left there goes.

    Raises:
        ConversionError: the folder holds something else.
        OutputError: it cannot be written.
    """
    pieces = -(-len(taken) // rows)
    whole = np.resize(taken, (pieces * rows, taken.shape[1]))  # the last one is filled up with rows from the beginning
    if folder.is_dir():
        if any(not re.fullmatch(r"\d+\.npy", path.name) for path in folder.iterdir()):
            raise ConversionError(f"{folder} is not of an earlier conversion, and its name is wanted: move it")
        shutil.rmtree(folder)
    with atomic_folder(folder) as made:
        for number, piece in enumerate(whole.reshape(pieces, rows, -1)):
            np.save(made / f"{number:04}.npy", np.ascontiguousarray(piece.T)[None, :, None])
    return folder
