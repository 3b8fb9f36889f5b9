"""An image looked at in tiles, and once as a whole, so that what is small in it stays as large as it was."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, product
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.errors import BackendError, ModelError
from yolorknn.image import Image, check_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.stages import Inferred, Prepared, Stages, always
from yolorknn.tasks.merging import merge
from yolorknn.tasks.task import Thresholds
from yolorknn.tasks.views import View

MOST_OVERLAP = 0.9
LEAST_SIDE = 32
COARSE = 16
"""Side in pixels of the model's input below which a box of the whole image is coarse."""


@dataclass(frozen=True)
class Tiling:
    """How images are cut.

    Raises:
        ValueError: a tile or an overlap is out of range.
    """

    tile: tuple[int, int] = (640, 640)
    """Height and width of a tile in pixels of the image, at least LEAST_SIDE."""
    overlap: float = 0.2
    """Share of a tile, 0 to MOST_OVERLAP, that the next one shows too."""

    def __post_init__(self) -> None:
        if min(self.tile) < LEAST_SIDE:
            raise ValueError(f"a tile is at least {LEAST_SIDE} pixels high and wide, not {self.tile}")
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise ValueError(f"overlap is between 0 and {MOST_OVERLAP}, not {self.overlap}")

    def views(self, size: tuple[int, int]) -> list[View]:
        """Return the whole of an image of (height, width), and its tiles; none of one that is no larger than a tile.

        The last tile of a row or column is moved in, so that all are equally large.
        """
        whole = View(0, 0, size[1], size[0])
        rows, columns = (list(self._starts(side, of)) for side, of in zip(self.tile, size, strict=True))
        if len(rows) == len(columns) == 1:
            return [whole]
        height, width = (min(side, of) for side, of in zip(self.tile, size, strict=True))
        return [whole, *(View(x, y, x + width, y + height) for y, x in product(rows, columns))]

    def views_each(self, images: Sequence[Image]) -> float:
        """Return how many views an image has, on average."""
        return sum(len(self.views((image.shape[0], image.shape[1]))) for image in images) / len(images)

    def _starts(self, side: int, of: int) -> Iterator[int]:
        """Give the first pixels of tiles of a side along a line."""
        step = max(1, round(side * (1 - self.overlap)))
        last = max(0, of - side)
        return chain(range(0, last, step), [last])


def tiling_of(tile: int | tuple[int, int] | None, overlap: float | None = None) -> Tiling | None:
    """Return how images are cut into tiles of a side, or height and width; None for not at all.

    Raises:
        ValueError: a tile is no such thing, or out of range, or there is an overlap of none.
    """
    if tile is None:
        if overlap is not None:
            raise ValueError(f"overlap is a share of a tile, and there is no tile: give tile, or leave out {overlap=}")
        return None
    sides = tuple(tile) if isinstance(tile, (list, tuple)) else (tile, tile)
    if len(sides) != 2 or not all(isinstance(side, Integral) for side in sides):
        raise ValueError(f"a tile is a side in whole pixels, or height and width, not {tile!r}")
    if overlap is not None and not isinstance(overlap, Real):
        raise ValueError(f"overlap is a number between 0 and {MOST_OVERLAP}, not {overlap!r}")
    size = (int(sides[0]), int(sides[1]))
    return Tiling(size) if overlap is None else Tiling(size, overlap)


def check_tiled(model: str | Path, metadata: ModelMetadata, tiling: Tiling | None) -> None:
    """Refuse tiles for a model whose results are of no place in an image.

    Raises:
        ModelError: it is such a model.
    """
    if tiling is not None and metadata.task == "classify":
        raise ModelError(f"{model} classifies whole images: tiles are for models that find objects in them")


def stages_of(
    pool: BackendPool, metadata: ModelMetadata, thresholds: Thresholds, tiling: Tiling | None = None
) -> Stages:
    """Return a model's stages; with a tiling, those of images that are cut."""
    if tiling is None:
        return Stages(pool, metadata, thresholds)
    return TiledStages(pool, metadata, thresholds, tiling)


class TiledStages(Stages):
    """The stages of a model for images that are cut: inference is of all views, on all backends; decoding merges.

    What a view shows is decoded as soon as it is inferred, as the outputs of all tiles of a large image would fill the
    memory.
    """

    def __init__(self, pool: BackendPool, metadata: ModelMetadata, thresholds: Thresholds, tiling: Tiling) -> None:
        super().__init__(pool, metadata, thresholds)
        self.tiling = tiling

    def workers(self, *, newest: bool) -> int:
        """Return how many images to infer at once: while one's last tiles run, the next one's first may."""
        return 1 if newest else 2

    def prepare(self, image: NDArray[Any] | None) -> Prepared:
        """Lay the whole image into the model's input."""
        return super().prepare(image)._replace(image=check_image(image))

    def infer(self, prepared: Prepared, wanted: Callable[[], bool] = always) -> Inferred:
        """Run the model on all views, and decode each; `wanted` is asked before each."""
        image = prepared.image
        assert image is not None
        start = time.perf_counter()
        views = self.tiling.views((image.shape[0], image.shape[1]))
        found: list[Any] = [None] * len(views)
        waiting = deque(range(len(views)))
        failed = threading.Event()

        def work() -> None:
            try:
                while not failed.is_set():
                    try:
                        number = waiting.popleft()
                    except IndexError:
                        return
                    if not wanted():
                        raise BackendError("the image's tiles are not wanted any more")
                    laid = prepared if number == 0 else self._lay(image, views[number])
                    found[number] = super(TiledStages, self).decode(super(TiledStages, self).infer(laid))
            except BaseException:
                failed.set()
                raise

        # One thread more than backends, which lays out and decodes while the others wait for theirs.
        count = min(len(views), len(self.pool) + 1)
        with ThreadPoolExecutor(count, thread_name_prefix="yolorknn-tile") as threads:
            working: list[Future[None]] = []
            try:
                working.extend(threads.submit(work) for _ in range(count))
                for done in working:
                    done.result()
            except KeyboardInterrupt:
                failed.set()
                self.pool.hurry_through(working)  # Ctrl-C too waits for their threads
                raise
            finally:
                failed.set()
        return Inferred(found, prepared.placed, start, time.perf_counter(), views)

    def _lay(self, image: Image, view: View) -> Prepared:
        return super().prepare(image[view.y1 : view.y2, view.x1 : view.x2])

    def decode(self, inferred: Inferred) -> Any:
        """Merge what was found in the views."""
        if len(inferred.views) == 1:
            return inferred.outputs[0]
        size = inferred.placed.source
        imgsz = self.metadata.imgsz
        return merge(
            inferred.views,
            inferred.outputs,
            size=size,
            coarse=COARSE * max(size[0] / imgsz[0], size[1] / imgsz[1]),
            agnostic=self.thresholds.agnostic_nms,
            max_det=self.thresholds.max_det,
        )
