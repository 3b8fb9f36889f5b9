"""Errors go from process to process as they are: a pool waits for ever for one that it cannot read."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from yolorknn import errors
from yolorknn.errors import AccuracyError, MissingDependencyError, SiteError, YolorknnError
from yolorknn.stream.sources.images import NotAnImageError
from yolorknn.stream.sources.source import LostError, SilentError

MADE: dict[type[YolorknnError], Any] = {
    MissingDependencyError: lambda kind: kind("rknn", "build", "building", broken="no libGL"),
    AccuracyError: lambda kind: kind("none", table="recipe"),
    SiteError: lambda kind: kind(["a: line 1", "b: line 2"]),
    LostError: lambda kind: kind("away", "silent"),
    SilentError: lambda kind: kind("away", "silent"),
}


def every() -> Iterator[type[YolorknnError]]:
    yield from (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, YolorknnError))
    yield from (LostError, SilentError, NotAnImageError)


@pytest.mark.parametrize("kind", list(every()), ids=lambda kind: kind.__name__)
def test_an_error_is_pickled(kind: type[YolorknnError]) -> None:
    error = MADE.get(kind, lambda kind: kind("what"))(kind)
    error.diagnosis = "the NPU is away"
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(again) is kind and str(again) == str(error) and vars(again) == vars(error)
