"""Detector: shared by threads, and closed amid a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DATASET, DEMO_ONNX, needs_ort
from tests.fakes.backends import NUMBERS, NumberBackend
from tests.fakes.forks import forked
from tests.fakes.numbered import numbered_frame, numbered_frames
from tests.fakes.waiting import LONGEST
from yolorknn import Detector
from yolorknn.errors import BackendError, ModelError
from yolorknn.image import read_image
from yolorknn.model.class_names import class_ids, given_names
from yolorknn.predict import loaded_model
from yolorknn.runtime.pool import Pool

IMGSZ = NUMBERS.imgsz
Make = Callable[..., Detector]


def test_detect_from_many_threads(make: Make) -> None:
    wrong: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 40):
            found = detector.detect(numbered_frame(number, IMGSZ))
            if found.class_id.tolist() != [number % 5]:
                wrong.append(number)

    with make(3, 0.001) as detector:
        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("held", ["decode", "Stream"])
def test_a_process_forked_while_another_thread_is_amid_its_work(
    held: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the locks of the thread that decodes, or begins a stream, and not the thread."""
    amid, go = threading.Event(), threading.Event()
    detector = make(2)
    home: Any = detector._stages._task if held == "decode" else loaded_model
    really = getattr(home, held)

    def slowly(*given: Any, **named: Any) -> Any:
        if threading.current_thread() is thread:
            amid.set()
            assert go.wait(LONGEST)
        return really(*given, **named)

    def work() -> None:
        with detector.stream(numbered_frames(1, IMGSZ)):
            detector.detect(numbered_frame(7, IMGSZ))

    def work_forked() -> None:
        found = [result.detections.class_id.tolist() for result in detector.stream(numbered_frames(3, IMGSZ))]
        assert found == [[0], [1], [2]] and len(detector.detect(numbered_frame(7, IMGSZ))) == 1
        detector.close()

    monkeypatch.setattr(home, held, slowly)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert amid.wait(LONGEST) and forked(work_forked) == "ended"
    finally:
        go.set()
        thread.join()
        detector.close()


def test_closing_the_detector_in_the_middle(make: Make) -> None:
    detector = make(2, 0.002)
    stream = detector.stream(numbered_frames(500, IMGSZ))
    next(stream)
    detector.close()
    with pytest.raises(BackendError, match="closed while its stream was open"):
        next(stream)
    for use in (lambda: detector.detect(numbered_frame(0, IMGSZ)), lambda: detector.stream(numbered_frames(3, IMGSZ))):
        with pytest.raises(BackendError, match="closed"):
            use()
    detector.close()


def test_a_signals_handler_may_close_whatever_it_interrupts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds the stream's lock just before it waits; and an inference, which ends first."""

    class Closing(NumberBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            found = super().infer(image)
            alone.close()
            assert not self.closed
            return found

    backends = [Closing(NUMBERS), NumberBackend(NUMBERS)]
    amid, alone = make(2, 0.1), make()
    alone._stages.pool = Pool(backends)
    stream, said = amid.stream(numbered_frames(500, IMGSZ)), list[str]()
    monkeypatch.setattr(stream._engine, "_exhausted", amid.close)

    def work() -> None:
        with pytest.raises(BackendError, match="closed while its stream was open"):
            next(stream)
        assert alone.detect(numbered_frame(3, IMGSZ)).class_id.tolist() == [3]
        with pytest.raises(BackendError, match="closed"):
            alone.detect(numbered_frame(3, IMGSZ))
        said.append("done")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    assert said and all(backend.closed for backend in backends)


def test_classes_by_any_whole_number_or_name_also_set_later(make: Make) -> None:
    several: list[tuple[Any, tuple[int, ...] | None]] = [
        ([NUMBERS.names[2], np.int64(0), 2], (2, 0)),
        (np.array([1, 4]), (1, 4)),
        ((), ()),
        (None, None),
        ({3}, (3,)),
    ]
    wrong: Any
    with make(1) as detector:
        for given, ids in several:
            detector.classes = given
            assert detector.classes == ids
            found = [detector.detect(numbered_frame(number, IMGSZ)).class_id.tolist() for number in range(5)]
            assert found == [[number] if ids is None or number in ids else [] for number in range(5)]
        for wrong in (["none"], [5], [-1], [1.0], [None]):
            with pytest.raises(ModelError, match="the model has no class"):
                detector.classes = wrong
        wrong = "nought"
        with pytest.raises(ValueError, match=r"a list of ids or names, as \['nought'\], not 'nought'"):
            detector.classes = wrong
        assert detector.classes == (3,), "as before"


def test_names_are_a_list_or_those_of_a_detector() -> None:
    """Whose names are by id, as ultralytics' are; of a file's name each letter was taken for a class."""
    assert given_names({1: "b", 0: "a"}) == given_names(("a", "b")) == ["a", "b"] and given_names(None) is None
    wrong: Any
    for wrong in ("coco.names", b"ab", {1: "a"}, {"a": 0}, [1, 2]):
        with pytest.raises(ValueError, match="names is a list of class names, or one by each id from 0 on, not"):
            Detector("absent.onnx", names=wrong)


def test_a_name_that_two_classes_have_means_both(make: Make) -> None:
    twice = replace(NUMBERS, names=("a", "b", "a", "c", "d"))
    assert [class_ids(twice, name) for name in ("a", "b", "4", 2)] == [[0, 2], [1], [4], [2]]


def test_what_was_opened_is_closed_whatever_is_wrong_with_the_classes(make: Make, tmp_path: Path) -> None:
    make(1).close()
    backends = [NumberBackend(NUMBERS), NumberBackend(NUMBERS)]
    with pytest.raises(ValueError, match="classes is a list"):
        Detector(tmp_path / "model.rknn", backends=backends, classes=5)  # type: ignore[arg-type]
    assert all(backend.closed for backend in backends)


def test_images_that_wait_for_a_core_go_to_the_model_that_takes_over(make: Make) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            while not over.is_set():
                if detector.detect(numbered_frame(number, IMGSZ)).class_id.tolist() != [number % 5]:
                    wrong.append(number)
        except BackendError as exc:
            wrong.append(exc)

    over = threading.Event()
    with make(1, 0.001) as detector:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            time.sleep(0.02)
            detector.replace(make(1, 0.001))
        over.set()
        for thread in threads:
            thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ["conf", "iou", "max_det", "classes"])
def test_thresholds_are_numbers(name: str, make: Make, tmp_path: Path) -> None:
    """As settings from files are not; of max_det it showed with the first image that had so many objects."""
    wrong: Any = {"conf": ("0.5", None, -0.1, np.nan), "iou": ("x", 2), "max_det": ("3", 2.5, 0), "classes": (0, "a")}
    right: Any = {"conf": np.float32(0.5), "iou": 1, "max_det": np.int64(3), "classes": np.array([1, 0])}
    with make(1) as detector:
        for value in wrong[name]:
            with pytest.raises(ValueError, match=name):
                setattr(detector, name, value)
            with pytest.raises(ValueError, match=name):
                Detector(tmp_path / "model.rknn", backends=[NumberBackend(NUMBERS)], **{name: value})
        setattr(detector, name, right[name])
        assert len(detector.detect(numbered_frame(1, IMGSZ))) == 1


def test_a_tile_is_a_side_or_two(tmp_path: Path) -> None:
    for tile, overlap in ((31, 0.2), ((640, 0), 0.2), (640, 0.95)):
        with pytest.raises(ValueError, match=r"a tile is at least|overlap is between"):
            Detector(tmp_path / "not looked at.onnx", tile=tile, overlap=overlap)
    wrong: Any
    for wrong in ("640", 640.5, (640,), [640, 640, 3], ("640", 640)):
        with pytest.raises(ValueError, match="a tile is a side in whole pixels, or height and width, not"):
            Detector(tmp_path / "not looked at.onnx", tile=wrong)
    with pytest.raises(ValueError, match=r"there is no tile: give tile, or leave out overlap=0\.5"):
        Detector(tmp_path / "not looked at.onnx", overlap=0.5)
    wrong = "0.2"
    with pytest.raises(ValueError, match=r"overlap is a number between 0 and 0\.9, not '0\.2'"):
        Detector(tmp_path / "not looked at.onnx", tile=640, overlap=wrong)


def test_what_a_board_is_asked_for_is_checked_everywhere(tmp_path: Path) -> None:
    wrong: Any = "x"
    with pytest.raises(ValueError, match="runtime is 'auto', 'lite' or 'c', not 'x'"):
        Detector(tmp_path / "not looked at.onnx", runtime=wrong)
    for wrong in (0, 9, 1.5, None):
        with pytest.raises(ValueError, match=f"a core has 1 to 8 contexts, not {wrong}"):
            Detector(tmp_path / "not looked at.onnx", contexts=wrong)


@needs_ort
def test_tiles_of_a_picture() -> None:
    """One that is a tile is found as without; one twice as large, with pixels doubled, has the same objects."""
    picture = read_image(DATASET / "images/0000.jpg")
    side = max(picture.shape)
    double = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    with Detector(DEMO_ONNX) as plain, Detector(DEMO_ONNX, tile=side) as tiled:
        alone, same, large = plain.detect(picture), tiled.detect(picture), tiled.detect(double)
        (streamed,) = [result.detections for result in tiled.stream([double])]
    assert len(alone) > 2 and (same.xyxy == alone.xyxy).all() and (same.confidence == alone.confidence).all()
    assert (streamed.xyxy == large.xyxy).all()
    for box, _, class_id in alone:
        (other,) = np.flatnonzero(np.abs(large.xyxy - 2 * box).max(axis=1) < 20)
        assert large.class_id[other] == class_id
