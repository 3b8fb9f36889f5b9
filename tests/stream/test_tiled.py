"""Tiles: where they lie, that all of an image is looked at, and a stream of cut frames: order, bounds, ends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.numbered import cell_of, numbered_frame, numbered_frames
from yolorknn import Detections, Detector, InferenceError
from yolorknn.errors import BackendError, CoreHungError
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.sources.images import Images
from yolorknn.stream.stream import Stream
from yolorknn.stream.tiled import TiledStages, Tiling
from yolorknn.tasks.task import Thresholds
from yolorknn.tasks.views import View

HEIGHT, WIDTH = NUMBERS.imgsz
TILING = Tiling((HEIGHT, WIDTH))
FRAME = (3 * HEIGHT, 3 * WIDTH)
VIEWS = len(TILING.views(FRAME))


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    tile=st.tuples(st.integers(100, 900), st.integers(100, 900)),
    overlap=st.floats(0, 0.9),
)
def test_tiles_cover_the_image_lie_in_it_and_are_equally_large(
    size: tuple[int, int], tile: tuple[int, int], overlap: float
) -> None:
    whole, *tiles = Tiling(tile, overlap).views(size)
    assert whole == (0, 0, size[1], size[0])
    if size[0] <= tile[0] and size[1] <= tile[1]:
        assert tiles == []
        return
    assert len(set(tiles)) == len(tiles)
    assert {(view.y2 - view.y1, view.x2 - view.x1) for view in tiles} == {
        (min(tile[0], size[0]), min(tile[1], size[1]))
    }
    for first, last, side, of in ((0, 2, tile[1], size[1]), (1, 3, tile[0], size[0])):
        spans = sorted({(view[first], view[last]) for view in tiles})
        assert spans[0][0] == 0 and spans[-1][1] == of
        for one, other in itertools.pairwise(spans):
            assert one[1] - other[0] >= round(min(side, of) - round(side * (1 - overlap)))


@pytest.mark.parametrize(
    ("tile", "overlap"), [((31, 640), 0.2), ((640, 0), 0.2), ((640, 640), -0.1), ((640, 640), 0.91)]
)
def test_what_is_no_tiling(tile: tuple[int, int], overlap: float) -> None:
    with pytest.raises(ValueError, match=r"a tile is at least 32 pixels|overlap is between 0 and 0.9"):
        Tiling(tile, overlap)


class Backend(NumberBackend):
    """Counts what it runs, and how many run at once."""

    lock = threading.Lock()
    runs = running = most = 0

    def infer(self, image: np.ndarray) -> list[np.ndarray]:
        with Backend.lock:
            Backend.runs += 1
            Backend.running += 1
            Backend.most = max(Backend.most, Backend.running)
        try:
            return super().infer(image)
        finally:
            with Backend.lock:
                Backend.running -= 1


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Detector]:
    """number_detector() with tiles of the model's size, counting from 0."""
    Backend.runs = Backend.running = Backend.most = 0

    def tiled(cores: int = 3, seconds: float = 0.0, failing: frozenset[int] = frozenset()) -> Detector:
        detector = number_detector(tmp_path, cores, seconds, failing, backend=Backend)
        detector._stages = TiledStages(detector._stages.pool, detector.metadata, Thresholds(), TILING)
        return detector

    return tiled


def test_every_view_of_one_image_is_run_on_all_cores_at_once(make: Callable[..., Detector]) -> None:
    with make(3, 0.01) as detector:
        found = detector.detect(numbered_frame(7, FRAME))
        assert Backend.runs == VIEWS and Backend.most == 3
        assert len(found) > 1 and set(found.class_id.tolist()) == {7 % 5}


def test_a_stream_keeps_its_order_and_its_errors_at_their_frames(make: Callable[..., Detector]) -> None:
    failing = frozenset({3, 11})
    seen: list[int] = []
    with make(3, 0.001, failing) as detector, detector.stream(numbered_frames(20, FRAME)) as stream:
        while len(seen) < 20:
            try:
                result = next(stream)
            except InferenceError as exc:
                assert str(exc) == f"frame {len(seen)}"
            else:
                assert result.index == len(seen) and len(seen) not in failing
                assert set(result.detections.class_id.tolist()) == {len(seen) % 5}
                assert result.detections.confidence[0] == pytest.approx(cell_of(result.index).confidence)
                assert 0 < result.timings.infer < 10 and result.timings.wait >= 0
            seen.append(0)
        assert next(stream, None) is None


def test_what_is_under_way_is_bounded(make: Callable[..., Detector]) -> None:
    """As many frames as without tiles: a few before inference, two in it, a few behind it."""
    taken = 0

    def counted() -> object:
        nonlocal taken
        for frame in numbered_frames(200, FRAME):
            taken += 1
            yield frame

    with make(3) as detector, detector.stream(counted()) as stream:  # type: ignore[arg-type]
        next(stream)
        before = 0
        while taken != before:
            before = taken
            time.sleep(0.2)
        assert taken < 20


def test_a_frame_no_larger_than_a_tile_is_plain_detection(make: Callable[..., Detector]) -> None:
    with make(1) as detector:
        detector.detect(numbered_frame(1, (HEIGHT, WIDTH)))
        detector.detect(numbered_frame(1, (HEIGHT // 2, WIDTH // 2)))
    assert Backend.runs == 2


def test_leaving_the_stream_leaves_the_tiles_that_wait(make: Callable[..., Detector]) -> None:
    large = (20 * HEIGHT, 20 * WIDTH)
    with make(1, 0.005) as detector:
        with detector.stream([numbered_frame(0, FRAME), *[numbered_frame(1, large)] * 3]) as stream:
            next(stream)
        assert Backend.runs < 100


def test_a_core_that_hangs_loses_the_frame_and_no_other(make: Callable[..., Detector]) -> None:
    class Hung(NumberBackend):
        def infer(self, image: np.ndarray) -> list[np.ndarray]:
            if image[0, 0, 2] == 2:
                raise CoreHungError("core 0 did not answer")
            return super().infer(image)

    stages = TiledStages(BackendPool([Hung(NUMBERS)]), NUMBERS, Thresholds(), TILING)
    stream: Stream[Detections] = Stream(Images(numbered_frames(5, FRAME)), stages, workers=2, drop="none")
    with stream:
        assert [result.index for result in stream] == [0, 1, 3, 4] and stream.lost == 1
    stages.pool.close()


def test_closed_it_is_refused(make: Callable[..., Detector]) -> None:
    detector = make(1)
    detector.close()
    with pytest.raises(BackendError, match="closed"):
        detector.detect(numbered_frame(0, FRAME))


@pytest.mark.parametrize("image", [None, np.zeros((400, 400), np.uint8), np.zeros((0, 9, 3), np.uint8)])
def test_what_is_no_image_is_refused_as_without_tiles(make: Callable[..., Detector], image: np.ndarray) -> None:
    with make(1) as detector, pytest.raises(ValueError, match="image"):
        detector.detect(image)


def test_views_of_a_frame_of_one_and_a_half_tiles() -> None:
    assert Tiling((640, 640)).views((720, 1280)) == [
        View(0, 0, 1280, 720),
        View(0, 0, 640, 640),
        View(512, 0, 1152, 640),
        View(640, 0, 1280, 640),
        View(0, 80, 640, 720),
        View(512, 80, 1152, 720),
        View(640, 80, 1280, 720),
    ]
