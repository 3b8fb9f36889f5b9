"""A job: every picture of a source, on every core of a cluster, into shards of one folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.convert.recipe.recorded import read_recorded
from yolorknn.integrations.ray.cluster import LOCAL, joined, workers
from yolorknn.integrations.ray.columns import schema
from yolorknn.integrations.ray.detector import RayDetector
from yolorknn.integrations.ray.mapped import mapped
from yolorknn.integrations.ray.model_file import shipped
from yolorknn.integrations.ray.output import Format, begin, write_shard
from yolorknn.integrations.ray.sources import SIZE, Shard, shards
from yolorknn.integrations.ray.version import INSTALLED
from yolorknn.predict.open_model import read_metadata
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime


@dataclass(frozen=True)
class Job:
    """How a job went."""

    images: int
    """Of the source."""
    done_before: int
    """That an earlier run had finished."""
    failed: int
    """Of this run, that could not be read; each is a row with its error."""
    workers: int


class _ShardDetector:
    """Detects in a shard and writes it: the unit of work, which may be done again without harm."""

    def __init__(
        self, model: Any, folders: tuple[str, str], form: Format, column: str | None, options: dict[str, Any]
    ) -> None:
        here, folder = folders
        with contextlib.suppress(OSError):
            os.chdir(here)  # of the driver, from which a calibration set's path may be relative
        self._folder, self._form, self._column = Path(folder), form, column
        self._detector = RayDetector(model, version=INSTALLED, **options)

    def __call__(self, shard: Shard) -> tuple[int, int]:
        """Return how many pictures it has, and how many of them could not be read."""
        values, named = shard.pictures(self._column)
        indices = range(shard.first, shard.first + len(values))
        rows = list(self._detector.rows(indices, values, named))
        write_shard(self._folder, shard, rows, schema(self._detector.loaded.metadata), self._form)
        return len(rows), sum(row["error"] is not None for row in rows)


def detect(
    source: str | Sequence[str],
    model: str | Path,
    output: str | Path,
    *,
    address: str = LOCAL,
    conf: float = 0.25,
    iou: float = 0.7,
    max_det: int = 300,
    agnostic_nms: bool = False,
    classes: Sequence[int | str] | None = None,
    simulate: bool = False,
    runtime: Runtime = "auto",
    form: Format = "parquet",
    column: str | None = None,
    shard: int = SIZE,
    backends: Callable[[], Sequence[Backend]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Job:
    """Detect in every picture of a source on a Ray cluster.

    Each shard of the source is a file in `output`, written whole or not at all. A job that was ended, by whatever, is
    gone on with by the same call: what is there is not done again.

    Args:
        source: see sources.shards(); paths must be the same on every node, as on a shared disk, or URLs.
        model: an .onnx or .rknn; every node gets a copy.
        output: a folder that every node writes.
        address: of the cluster; "local" for one on this machine alone.
        conf: see Detector.
        iou: see Detector.
        max_det: see Detector.
        agnostic_nms: see Detector.
        classes: see Detector.
        simulate: run on the vendor's simulator.
        runtime: on boards, which of the vendor's.
        form: of the shards.
        column: of a Parquet source, the one with pictures.
        shard: the most pictures of a shard.
        backends: makes what runs instead, in each actor.
        progress: told how many pictures are done, and of how many.

    Returns:
        How it went.

    Raises:
        SourceError: the source cannot be read, or a shard that was written before.
        ModelError: the model is absent or broken.
        OutputError: the folder cannot be written, or holds another job's results.
        BackendError: there is no cluster, no NPU core, or a node has another version of yolorknn.
        MissingDependencyError: Ray is not installed.
    """
    file, folder = Path(model), Path(output).resolve()
    read_metadata(file)
    needed = [read_recorded(file)[0]] if simulate and file.suffix.lower() == ".rknn" else []
    carried = shipped(file, *needed)
    options: dict[str, Any] = {"conf": conf, "iou": iou, "max_det": max_det, "agnostic_nms": agnostic_nms}
    options |= {"classes": classes, "simulate": simulate, "runtime": runtime}
    every = shards(source, shard)
    with joined(address) as ray:
        needs = workers(ray, file.name, simulate=simulate, own=backends is not None)
        said = {"model": carried.sha256, "version": INSTALLED, **options, "column": column}
        left = begin(folder, said, every, form)
        total = sum(each.count for each in every)
        before = done = total - sum(each.count for each in left)
        failed, actors = 0, min(needs.actors, max(1, len(left)))
        if progress is not None:
            progress(done, total)
        arguments = (carried, (os.getcwd(), str(folder)), form, column, {**options, "backends": backends})
        for _, (images, errors) in mapped(ray, _ShardDetector, arguments, left, needs._replace(actors=actors)):
            done, failed = done + images, failed + errors
            if progress is not None:
                progress(done, total)
    return Job(total, before, failed, actors)
