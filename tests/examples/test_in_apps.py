"""examples/ of yolorknn in other programs: a database, callbacks, a zone, two models."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DEMO_ONNX, needs_ort
from tests.examples.loaded import Held, example
from tests.examples.test_examples import IMAGES, found, run
from tests.fakes.waiting import until
from yolorknn import CoreHungError, Detector, InferenceError, OutputError, SimulatedNpu
from yolorknn.stream.sinks.queued import Queued


@needs_ort
def test_own_sink(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice, as a program that is begun again adds to what is there."""
    for _ in range(2):
        example("own_sink").main(file=str(tmp_path / "seen.db"))
    assert capsys.readouterr().out == "40 frames written, 0 lost\n" * 2
    results, names = found(0.5)
    expected = [
        (index, names[class_id], pytest.approx(confidence, abs=1e-6))
        for index, detections in enumerate(results)
        for _, confidence, class_id in detections
    ]
    with closing(sqlite3.connect(tmp_path / "seen.db")) as database:
        rows = database.execute("SELECT frame, name, confidence FROM seen ORDER BY rowid").fetchall()
    assert rows == expected * 2


def test_own_sink_whose_database_is_locked_neither_slows_nor_ends(tmp_path: Path) -> None:
    module, file, told = example("own_sink"), tmp_path / "seen.db", list[str]()
    names = dict.fromkeys(range(9), "thing")
    frames = [np.zeros((8, 8, 3), np.uint8)] * 5
    with Detector(DEMO_ONNX, backends=[SimulatedNpu(DEMO_ONNX, 1)]) as detector:
        results = list(detector.stream(frames))
    sink = Queued(lambda: module.Database(str(file), names), name="seen.db", told=told.append)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for result in results:
            sink.write(result)
        until(lambda: sink.state.failed > 0)
        other.rollback()
    assert told[0].startswith(f"seen.db: cannot write to {file}: database is locked; results are lost until")
    sink.close()
    with pytest.raises(OutputError, match=r"cannot open /absent/seen\.db: unable to open database file"):
        module.Database("/absent/seen.db", names)


def ray_casting(polygon: NDArray[Any], x: float, y: float) -> bool:
    """Return whether an odd number of sides is to the right of a point."""
    odd = False
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            odd = not odd
    return odd


@needs_ort
def test_count_in_zone(capsys: pytest.CaptureFixture[str]) -> None:
    module = example("count_in_zone")
    zone = np.array(module.ZONE)
    results, names = found(0.25)
    expected, before = [], 0
    for index, (path, detections) in enumerate(zip(IMAGES, results, strict=True)):
        image = cv2.imread(str(path))
        assert image is not None
        height, width = image.shape[:2]
        here = sum(
            names[class_id] == "ball" and ray_casting(zone * (width, height), (xyxy[0] + xyxy[2]) / 2, xyxy[3])
            for xyxy, _, class_id in detections
        )
        if here != before:
            expected.append(f"frame {index}: {here} ball in the zone")
        before = here
    module.main()
    assert capsys.readouterr().out.splitlines() == expected and len(expected) > 10


@needs_ort
def test_two_models(capsys: pytest.CaptureFixture[str]) -> None:
    """Each picture has the results of both, in order."""
    (ours, names), (theirs, _) = found(0.25), found(0.5)
    expected = [
        f"frame {index}: "
        + "; ".join(" ".join(names[number] for number in each.class_id) or "-" for each in (one, other))
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True))
    ]
    example("two_models").main()
    assert capsys.readouterr().out.splitlines() == expected


class Noted(SimulatedNpu):
    """A core that notes which models have one under way when it begins."""

    working: ClassVar = Counter[str]()
    together = 0
    lock = threading.Lock()

    def __init__(self, model: str) -> None:
        super().__init__(DEMO_ONNX, 3)
        self._model = model

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        with self.lock:
            Noted.working[self._model] += 1
            Noted.together += min(Noted.working["one"], Noted.working["other"]) > 0
        try:
            return super().infer(image)
        finally:
            with self.lock:
                Noted.working[self._model] -= 1


def test_two_models_work_at_a_time_and_leave_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the reader is interrupted in the middle."""

    def opened(model: str, **options: float) -> Detector:
        return Detector(DEMO_ONNX, backends=[Noted(model), Noted(model)], **options)  # type: ignore[arg-type]

    module, before, lines = example("two_models"), threading.active_count(), list[str]()
    monkeypatch.setattr(module, "Detector", opened)

    def told(line: str) -> None:
        lines.append(line)
        if len(lines) == 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "print", told, raising=False)
    with pytest.raises(KeyboardInterrupt):
        module.main("one", "other")
    assert len(lines) == 20 and Noted.together > 5
    until(lambda: threading.active_count() == before)


def test_two_models_one_of_which_loses_a_frame(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those after it are not taken for those before."""

    class Losing(SimulatedNpu):
        calls = 0

        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            self.calls += 1
            if self.calls == 3:
                raise CoreHungError("no answer")
            return super().infer(image)

    module = example("two_models")
    cores = {"one": SimulatedNpu, "other": Losing}
    monkeypatch.setattr(
        module, "Detector", lambda model, **_: Detector(DEMO_ONNX, backends=[cores[model](DEMO_ONNX, 1)])
    )
    module.main("one", "other")
    said = [int(line.partition(":")[0].removeprefix("frame ")) for line in capsys.readouterr().out.splitlines()]
    assert said == [number for number in range(40) if number != 2]


@needs_ort
def test_callback_node(tmp_path: Path) -> None:
    """The newest is taken: stamps rise, and are those of pictures; and all is over after two seconds of pictures."""
    results, _ = found(0.25)
    printed = re.findall(r"^(\d\.\d\d): (\d+) objects$", run("callback_node.py", tmp_path).stdout, re.MULTILINE)
    stamps = [stamp for stamp, _ in printed]
    assert stamps == sorted(set(stamps)) and set(stamps) <= {f"{number / 30:.2f}" for number in range(60)}
    assert {count for _, count in printed} == {str(len(results[0]))} and 1 <= len(printed) <= 60


def test_callback_node_keeps_the_newest_and_ends_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what comes while the core is held only the last is looked at after; an error in the thread is raised."""
    module, core, picture = example("callback_node"), Held(), np.zeros((8, 8, 3), np.uint8)
    before = threading.active_count()
    with Detector(DEMO_ONNX, backends=[core]) as detector, ThreadPoolExecutor(1) as thread:
        topic = module.Topic()
        published = thread.submit(module.publish, detector, topic)
        topic.on_image(picture, 1.0)
        assert core.begun.acquire(timeout=30)
        for number in range(2, 100):
            topic.on_image(picture, float(number))
        core.go.set()
        assert core.begun.acquire(timeout=30)
        topic.close()
        published.result(30)
    stamps = [float(line.partition(":")[0]) for line in capsys.readouterr().out.splitlines()]
    assert stamps[0] == 1 and len(stamps) <= 4 and stamps[-1] == 99
    until(lambda: threading.active_count() == before)

    class Broken(SimulatedNpu):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            raise InferenceError("the core is gone")

    with Detector(DEMO_ONNX, backends=[Broken(DEMO_ONNX)]) as detector, ThreadPoolExecutor(1) as thread:
        topic = module.Topic()
        published = thread.submit(module.publish, detector, topic)
        topic.on_image(picture, 1.0)
        with pytest.raises(InferenceError, match="the core is gone"):
            published.result(30)
        topic.close()
    until(lambda: threading.active_count() == before)
