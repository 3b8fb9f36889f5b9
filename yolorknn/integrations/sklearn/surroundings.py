"""What surrounds an estimator's network, in float32 on the CPU: scaling before it, labels and probabilities after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from yolorknn.errors import ModelError
from yolorknn.files import decoded, sha256
from yolorknn.text import reason_of

Ending = Literal["softmax", "shares", "sigmoid", "labels", "margin", "identity", "exp", "transform", "distances"]
"""What the network's values are: logits of exclusive classes, of such that were fitted one by one and whose
probabilities are then brought to a sum of 1, of one of two classes, of labels that go together;
margins of a classifier without probabilities; a regressor's targets, or their logarithms; features; squared distances
to the centres, less the squared length of the row."""
SUFFIX = ".sklearn.json"
MOST_BYTES = 64 << 20
VERSION = 1


@dataclass(frozen=True)
class Affine:
    """values * factor + offset, then kept between low and high; one number a column, each (C,)."""

    factor: NDArray[np.float64]
    offset: NDArray[np.float64]
    low: float = -np.inf
    high: float = np.inf

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values, (N, C), scaled."""
        made = values * self.factor + self.offset
        return made if np.isinf([self.low, self.high]).all() else np.clip(made, self.low, self.high)

    def undone(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values of which these are the scaled ones."""
        made: NDArray[np.float64] = (values - self.offset) / self.factor
        return made


@dataclass(frozen=True)
class Surroundings:
    """All that predict() needs beside the network."""

    estimator: str
    """Its class in scikit-learn, as an error names it."""
    features: int
    ending: Ending
    scaling: tuple[Affine, ...] = ()
    """In turn, before the network."""
    classes: NDArray[Any] | None = None
    """Of a classifier, its classes_."""
    decides: bool = False
    """Whether it has decision_function()."""
    target: Affine | None = None
    """What a regressor's targets were scaled by."""
    flat: bool = False
    """Whether its targets are (N,), not (N, 1)."""
    probability_error: float | None = None
    """Of an int8 model, the largest error of a probability that was seen on rows held back."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each model these belong to, by its suffix."""
    columns: tuple[str, ...] | None = None
    """The names of the features, where it was fit on a table that has such."""

    def other_columns(self, given: object) -> str | None:
        """Return what is wrong with the columns of rows that are a table, as of pandas; None where nothing is."""
        here = list(getattr(given, "columns", ()))
        if self.columns is None or not all(isinstance(name, str) for name in here) or here in ([], list(self.columns)):
            return None
        if lacking := [name for name in self.columns if name not in here]:
            return f"the rows have no column {lacking[0]}, one of the {len(self.columns)} that it was fit on"
        return f"the rows have other columns than it was fit on, or in another order: take [{', '.join(self.columns)}]"

    def to_json(self) -> str:
        """Return it as JSON text."""
        classes = None if self.classes is None else {"values": self.classes.tolist(), "dtype": self.classes.dtype.str}
        if classes and self.classes is not None and self.classes.dtype.kind == "O":
            classes["dtype"] = "object"
        return json.dumps(
            {
                "version": VERSION,
                "estimator": self.estimator,
                "features": self.features,
                "ending": self.ending,
                "scaling": [_record(affine) for affine in self.scaling],
                "classes": classes,
                "decides": self.decides,
                "target": self.target and _record(self.target),
                "flat": self.flat,
                "probability_error": self.probability_error,
                "files": dict(self.files),
                "columns": self.columns and list(self.columns),
            }
        )

    @classmethod
    def read(cls, model: Path) -> Surroundings:
        """Read what stands beside a model, and check that it belongs to it.

        Raises:
            ModelError: absent, unreadable, or of another model.
        """
        path = model.with_suffix(SUFFIX)
        try:
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
            found = cls._of(json.loads(decoded(data[:MOST_BYTES])))
        except FileNotFoundError as exc:
            raise ModelError(
                f"{model} has no {path.name} beside it, in which convert() keeps scaling and classes: copy both"
            ) from exc
        except (OSError, ValueError, TypeError, KeyError, LookupError, RecursionError) as exc:
            what = reason_of(exc)
            raise ModelError(f"cannot read {path}: {what}; convert the estimator again") from exc
        if found.files.get(model.suffix) != sha256(model):
            raise ModelError(f"{path} belongs to another model than {model}: copy both files of one convert()")
        return found

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Surroundings:
        features, ending, classes = fields["features"], fields["ending"], fields["classes"]
        if fields["version"] != VERSION or ending not in get_args(Ending):
            raise ValueError("it was written by another version of yolorknn")
        if not isinstance(features, int) or features < 1:
            raise ValueError(f"features = {features!r}")
        return cls(
            str(fields["estimator"]),
            features,
            ending,
            tuple(_affine(record, features) for record in fields["scaling"]),
            None if classes is None else _classes(classes),
            bool(fields["decides"]),
            None if fields["target"] is None else _affine(fields["target"], None),
            bool(fields["flat"]),
            None if fields["probability_error"] is None else float(fields["probability_error"]),
            {str(suffix): str(digest) for suffix, digest in fields["files"].items()},
            _names(fields.get("columns"), features),
        )


def _names(given: Any, features: int) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != features or not all(isinstance(name, str) for name in given):
        raise ValueError("its columns are not those of the model")
    return tuple(given)


def _record(affine: Affine) -> dict[str, Any]:
    bounds = {name: value for name in ("low", "high") if np.isfinite(value := getattr(affine, name))}
    return {"factor": affine.factor.tolist(), "offset": affine.offset.tolist(), **bounds}


def _affine(record: Mapping[str, Any], columns: int | None) -> Affine:
    factor, offset = (np.array(record[name], np.float64) for name in ("factor", "offset"))
    if factor.ndim != 1 or factor.shape != offset.shape or columns not in (None, len(factor)):
        raise ValueError("a scaling has other columns than the model")
    if not (np.isfinite(factor).all() and np.isfinite(offset).all()):
        raise ValueError("a scaling is no number")
    return Affine(factor, offset, float(record.get("low", -np.inf)), float(record.get("high", np.inf)))


def _classes(record: Mapping[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(record["dtype"])
    values = record["values"]
    if dtype.kind not in "biufUO" or not isinstance(values, list) or not values:
        raise ValueError(f"classes of {dtype}")
    if dtype.kind == "O" and not all(isinstance(value, (str, int, float, bool)) for value in values):
        raise ValueError("classes that are neither names nor numbers")
    return np.array(values, dtype)
