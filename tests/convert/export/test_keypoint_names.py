"""What a pose model's keypoints are called: as the checkpoint says, as a person's, or by number."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from yolorknn.convert.export.pose import COCO, PoseHead

HORSE = [f"point {number}" for number in range(17)]
NUMBERS = [str(number) for number in range(17)]
NUMBERED = tuple(f"keypoint{number}" for number in range(17))


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        (None, COCO),
        ({0: NUMBERS, 1: NUMBERS}, COCO),
        ({0: HORSE}, tuple(HORSE)),
        ({0: HORSE, 1: list(HORSE)}, tuple(HORSE)),
        ({0: HORSE, 1: HORSE[::-1]}, NUMBERED),
        ({0: [*HORSE[:16], HORSE[0]]}, NUMBERED),
        ({0: HORSE[:5]}, NUMBERED),
    ],
)
def test_names_of_a_person_are_given_only_where_there_are_no_others(stated: Any, names: tuple[str, ...]) -> None:
    head = type("Pose", (), {"kpt_shape": (17, 3), "stride": (8, 16, 32), "reg_max": 16})()
    model = SimpleNamespace(model=[head], **({} if stated is None else {"kpt_names": stated}))
    assert PoseHead().describe(model, "split")["keypoints"] == names
