"""Estimators and rows in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import CalibrationError, MissingDependencyError, ModelError
from yolorknn.files import check_model_file
from yolorknn.text import reason_of

PICKLED = (".joblib", ".pkl", ".pickle")
MOST_BYTES = 1 << 30


def read_estimator(path: Path, *, trust: bool) -> Any:
    """Read an estimator from a .skops, .joblib, .pkl or .pickle file.

    Args:
        path: the file.
        trust: run the code that it may hold: a pickle is nothing but code, a .skops is asked for what it holds.

    Raises:
        ModelError: absent, unreadable, or not to be read without trust.
        MissingDependencyError: the package that reads it is not installed.
    """
    check_model_file(path)
    suffix = path.suffix.lower()
    if suffix == ".skops":
        return _skops(path, trust=trust)
    if suffix not in PICKLED:
        raise ModelError(f"{path} has suffix '{suffix}': an estimator is a .skops, {', '.join(PICKLED)}")
    if not trust:
        raise ModelError(
            f"{path} is a pickle, which can run any code when it is read: add --trust if it is from someone you trust, "
            "or save it as .skops"
        )
    try:
        import joblib
    except ImportError as exc:
        raise MissingDependencyError("joblib", "sklearn", f"reading {path}") from exc
    try:
        return joblib.load(path)
    except Exception as exc:  # whatever the pickle's own code raises
        raise ModelError(f"cannot read {path}: {exc or type(exc).__name__}") from exc


def _skops(path: Path, *, trust: bool) -> Any:
    try:
        from skops import io
    except ImportError as exc:
        raise MissingDependencyError("skops", "sklearn", f"reading {path}") from exc
    try:
        unknown = io.get_untrusted_types(file=path)
        if unknown and not trust:
            raise ModelError(
                f"{path} holds {', '.join(sorted(unknown))}, which skops does not know to be harmless: add --trust if "
                "it is from someone you trust"
            )
        return io.load(path, trusted=unknown)
    except ModelError:
        raise
    except Exception as exc:  # of a zip, JSON, or an estimator's own
        raise ModelError(f"cannot read {path}: {exc or type(exc).__name__}") from exc


def read_rows(path: Path) -> NDArray[np.float64]:
    """Read rows, (N, features), from a .npy, or a .csv with or without a line of names.

    Raises:
        CalibrationError: absent, or no such table.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CalibrationError(f"{path} has more than {MOST_BYTES >> 30} GB: some hundred rows do")
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False), np.float64)
        if path.suffix.lower() != ".csv":
            raise CalibrationError(f"{path} has suffix '{path.suffix}': rows are a .npy or a .csv")
        with path.open(encoding="utf-8-sig") as file:  # a mark at the beginning is no name of a column
            first = file.readline().split(",")
            file.seek(0)
            return np.loadtxt(file, delimiter=",", skiprows=0 if all(map(_number, first)) else 1, ndmin=2)
    except (OSError, ValueError, TypeError) as exc:
        raise CalibrationError(f"cannot read the rows in {path}: {reason_of(exc)}") from exc


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
