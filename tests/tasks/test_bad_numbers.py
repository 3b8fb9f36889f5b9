"""What an infinite, huge or undefined number in an output changes: its own box, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.encode import Cell, decoded_metadata, encode_decoded, encode_split, split_metadata
from yolorknn.errors import InferenceError
from yolorknn.tasks.boxes import postprocess
from yolorknn.tasks.nms import nms
from yolorknn.tasks.task import Thresholds

IMGSZ = (96, 160)
CLASSES = 7
NINE = [Cell(8, 2, 3, 1, 0.9, (1, 1, 1, 1)), Cell(8, 2, 4, 1, 0.8, (1, 1, 1, 1)), Cell(16, 4, 8, 5, 0.7, (2, 1, 2, 1))]


@pytest.mark.parametrize("reg_max", [1, 16])
@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38, -3e38])
def test_one_bad_number_changes_no_other_box(value: float, reg_max: int) -> None:
    metadata = split_metadata(IMGSZ, CLASSES, reg_max=reg_max)
    thresholds = Thresholds(conf=0.25, iou=0.5)
    outputs = encode_split(metadata, NINE)
    expected = postprocess(outputs, metadata, thresholds)
    assert len(expected.confidence) == 3
    outputs = encode_split(metadata, [*NINE, Cell(32, 1, 2, 3, 0.95, (1, 1, 1, 1))])
    outputs[4][0, 0, 1, 2] = value
    found = postprocess(outputs, metadata, thresholds)
    assert np.isfinite(found.xyxy).all()
    others = np.flatnonzero(found.class_id != 3)
    assert len(others) == 3 and np.array_equal(found[others].xyxy, expected.xyxy)


@pytest.mark.parametrize("normalized", [False, True])
def test_one_bad_coordinate_of_a_decoded_head_changes_no_other_box(normalized: bool) -> None:
    metadata = decoded_metadata(IMGSZ, CLASSES, normalized=normalized)
    expected = postprocess(encode_decoded(metadata, NINE), metadata, Thresholds(iou=0.5))
    outputs = encode_decoded(metadata, [*NINE, Cell(32, 1, 2, 3, 0.95, (1, 1, 1, 1))])
    outputs[0][0, 2, -int(IMGSZ[0] / 32 * IMGSZ[1] / 32) + 7] = np.inf
    found = postprocess(outputs, metadata, Thresholds(iou=0.5))
    assert np.array_equal(found[np.flatnonzero(found.class_id != 3)].xyxy, expected.xyxy)


@pytest.mark.parametrize("reg_max", [1, 16])
def test_nan_where_a_box_is_names_the_output(reg_max: int) -> None:
    metadata = split_metadata(IMGSZ, CLASSES, reg_max=reg_max)
    outputs = encode_split(metadata, NINE)
    outputs[0][0, 0, 0, 0] = np.nan  # where there is no box
    assert len(postprocess(outputs, metadata, Thresholds(iou=0.5)).confidence) == 3
    outputs[2][0, -1, 4, 8] = np.nan
    with pytest.raises(InferenceError, match="output box16 has NaN"):
        postprocess(outputs, metadata, Thresholds(iou=0.5))


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_is_no_sum_of_scores_names_the_output(multi_label: bool) -> None:
    """A .rknn shows no difference between a sum and the objectness of YOLOX, or the angle of an oriented box."""
    metadata = split_metadata(IMGSZ, CLASSES, sums=True)
    thresholds = Thresholds(iou=0.5, multi_label=multi_label)
    outputs = encode_split(metadata, NINE)
    sums = [number for number, output in enumerate(metadata.outputs) if output.role == "sum"]
    for number in sums:
        outputs[number] *= 0.9  # as int8 may leave it
    assert len(postprocess(outputs, metadata, thresholds).confidence) == 3
    for number in sums:
        outputs[number][:] = 0.3
    with pytest.raises(
        InferenceError, match=r"sum8 or sum16 or sum32 has 0\.30 where a class has 0\.90, so that it is no"
    ):
        postprocess(outputs, metadata, thresholds)


@given(st.lists(st.sampled_from([0.0, 1.5, 40, 1e5, np.inf, -np.inf, 3e38, -3e38]), min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_nms_keeps_other_boxes_whatever_one_is(odd: list[float]) -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], odd], np.float32)
    confidence, classes = np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.array([0, 0, 1, 2])
    assert [i for i in nms(boxes, confidence, classes, iou=0.5) if i != 3] == [0, 2]
