"""What a model finds in the images that it is measured on: here, or on workers over which the images are spread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from yolorknn.convert.export.export import export
from yolorknn.convert.recipe.recorded import read_recorded
from yolorknn.errors import InferenceError
from yolorknn.image import read_image
from yolorknn.measure.spread import Spread
from yolorknn.measure.truth import Truth, check_truth, other_truth
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.loaded_model import LoadedModel, OtherTaskError
from yolorknn.predict.open_model import HERE, Place, open_model, read_metadata
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime
from yolorknn.scratch import temporary_folder
from yolorknn.stream.result import Result
from yolorknn.toolkits.installed import NAMED, choose

PIECE = 8
"""Images that a worker is sent at once: on the simulator some seconds of work."""

R = TypeVar("R")
Finds = Callable[[Sequence[Path]], Iterator[tuple[int, R]]]
"""Gives the number of each image and what is kept of what was found in it, as they come."""


class Finding(NamedTuple, Generic[R]):
    """A model that is open."""

    metadata: ModelMetadata
    finds: Finds[R]


@dataclass(frozen=True)
class Measured(Generic[R]):
    """A model to measure, and how it is opened, wherever that is."""

    make: Callable[..., LoadedModel[Any]]
    """Given its path, `names`, `runtime` and `backends`, and `anchors` of detectors."""
    keep: Callable[[Result[Any]], R]
    """What is kept of a result."""
    model: Callable[[], Path]
    """Where it is."""
    place: Place
    told: dict[str, Any]
    """The names, and of detectors the anchors, that it does not say."""
    runtime: Runtime

    @contextmanager
    def opened(self, place: Place, progress: Progress | None = None) -> Iterator[LoadedModel[Any]]:
        """Open it."""
        path = self.model()
        backends = None
        if place != HERE:
            backends = open_model(path, place, **self.told, runtime=self.runtime, progress=progress)[1]
        with self.make(path, **self.told, runtime=self.runtime, backends=backends) as loaded:
            yield loaded

    @contextmanager
    def __call__(self, cores: tuple[int, ...] | None) -> Iterator[Callable[[Sequence[Path]], list[R]]]:
        """Open it on a worker; see spread.Opening."""
        place = self.place if cores is None else replace(self.place, cores=cores)
        with self.opened(place) as loaded:
            yield lambda images: [kept for _, kept in found_by(loaded, self.keep, images)]


@contextmanager
def finding(
    path: Path,
    truth: Truth,
    make: Callable[..., LoadedModel[Any]],
    keep: Callable[[Result[Any]], R],
    *,
    place: Place,
    told: dict[str, Any],
    runtime: Runtime,
    trust: bool,
    imgsz: tuple[int, int] | None = None,
    spread: Spread | None = None,
    progress: Progress | None = None,
) -> Iterator[Finding[R]]:
    """Open a model to measure it; a .pt is exported here.

    Args:
        path: see validate().
        truth: what it is measured on.
        make: see Measured.
        keep: see Measured.
        place: where it is to run.
        told: see Measured.
        runtime: see Detector.
        trust: of a .pt; see export().
        imgsz: of a .pt.
        spread: open it there instead, on each worker.
        progress: told the steps, where they take long.

    Raises:
        DatasetError: the images are labelled for another task.
        YolorknnError: see validate().
    """
    with ExitStack() as stack:
        file = path
        if path.suffix.lower() == ".pt":
            file = export(path, imgsz=imgsz, output=stack.enter_context(temporary_folder("val")), trust=trust)
        if spread is None:
            here = Measured(make, keep, lambda: file, place, told, runtime)
            try:
                loaded = stack.enter_context(here.opened(place, progress))
            except OtherTaskError as exc:
                raise other_truth(truth, model=path) from exc
            yield Finding(loaded.metadata, partial(found_by, loaded, keep))
            return
        metadata = read_metadata(file, **told)
        check_truth(metadata.task, truth, model=path)
        beside, there = _for_workers(file, place)
        there_too = Measured(make, keep, spread.carried(file, *beside), there, told, runtime)
        yield Finding(metadata, partial(_found_there, spread, there_too, file.name))


def found_by(
    loaded: LoadedModel[Any], keep: Callable[[Result[Any]], R], images: Sequence[Path]
) -> Iterator[tuple[int, R]]:
    """Find here; see Finds.

    Raises:
        InferenceError: an image was lost.
    """
    with loaded.stream(map(read_image, images), drop="none") as stream:
        for result in stream:
            yield result.index, keep(result)
    if stream.lost:
        raise InferenceError(f"the NPU did not answer {stream.lost} of {len(images)} images: run it again")


def _found_there(spread: Spread, measured: Measured[R], model: str, images: Sequence[Path]) -> Iterator[tuple[int, R]]:
    pieces = [images[first : first + PIECE] for first in range(0, len(images), PIECE)]
    for number, found in spread.work(measured, pieces, model=model, simulate=measured.place.simulate):
        for at, kept in enumerate(found):
            yield number * PIECE + at, kept


def _for_workers(model: Path, place: Place) -> tuple[list[Path], Place]:
    """Return the files beside a model without which it cannot be simulated, and where all workers run it alike."""
    if not place.simulate:
        return [], place
    if model.suffix.lower() != ".rknn":
        return [], replace(place, toolkit=choose(place.toolkit).version)
    source, build, _ = read_recorded(model)
    return [source], replace(place, toolkit=place.toolkit or os.environ.get(NAMED) or build.toolkit)
