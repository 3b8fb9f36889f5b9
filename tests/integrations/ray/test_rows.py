"""The rows of a Ray worker, whatever becomes of a picture; these need no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.numbered import cell_of, number_of, numbered_frames
from yolorknn.errors import CoreHungError
from yolorknn.integrations.ray.columns import failed
from yolorknn.integrations.ray.detector import RayDetector

LOST = "the NPU core did not answer"


class _Hanging(NumberBackend):
    """A core that gives no answer where NumberBackend would fail."""

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if number_of(image) in self.failing:
            raise CoreHungError("no answer")
        return super().infer(image)


@pytest.mark.parametrize("lost", [(), (0,), (2, 3), (6,), (1, 5, 6), tuple(range(7))])
def test_a_picture_that_no_core_answers_is_a_row_of_its_own(tmp_path: Path, lost: Sequence[int]) -> None:
    """The stream leaves it out: those after it kept the names of those before."""
    model = number_detector(tmp_path)
    model.close()
    hanging = [_Hanging(NUMBERS, failing=frozenset(lost)) for _ in range(2)]
    detector = RayDetector(tmp_path / "model.rknn", colours="bgr", backends=lambda: hanging)
    pictures = list(numbered_frames(7, NUMBERS.imgsz))
    pictures[4] = pictures[4][..., 0]
    rows = list(detector.rows(range(10, 17), pictures, [str(number) for number in range(7)]))
    detector.close()
    assert [(row["index"], row["source"]) for row in rows] == [(10 + number, str(number)) for number in range(7)]
    for number, row in enumerate(rows):
        if number in lost or number == 4:
            assert row["class_id"] is None and row["error"].startswith("4: an image is" if number == 4 else LOST)
        else:
            assert row["error"] is None and row["class_id"] == [cell_of(number).class_id]


def test_a_name_that_is_no_text() -> None:
    """Arrow takes no such name."""
    row = failed(0, "a\udcfc.jpg", "cannot read a\udcfc.jpg", NUMBERS)
    assert (row["source"], row["error"]) == ("a\\udcfc.jpg", "cannot read a\\udcfc.jpg")
