from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.fakes.encode import Cell, decoded_metadata, encode_decoded, encode_split, split_metadata
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.values import Quantized, Values
from yolorknn.tasks.anchors import dfl
from yolorknn.tasks.boxes import decode, postprocess, scales_of
from yolorknn.tasks.known import output_shapes
from yolorknn.tasks.nms import nms
from yolorknn.tasks.task import Thresholds

IMGSZ = (96, 160)
CLASSES = 7


@st.composite
def cells(draw: st.DrawFn, strides: tuple[int, ...] = (8, 16, 32), most: int = 15) -> list[Cell]:
    places = draw(
        st.lists(
            st.sampled_from([(s, r, c) for s in strides for r in range(IMGSZ[0] // s) for c in range(IMGSZ[1] // s)]),
            unique=True,
            max_size=12,
        )
    )
    sides = st.tuples(*[st.floats(0.0625, most, width=32)] * 4)
    return [
        Cell(s, r, c, draw(st.integers(0, CLASSES - 1)), draw(st.floats(0.375, 1, width=32)), draw(sides))
        for s, r, c in places
    ]


def assert_decodes(outputs: list[NDArray[np.float32]], metadata: ModelMetadata, expected: list[Cell]) -> None:
    found = decode(outputs, metadata, conf=0.25)
    order = sorted(expected, key=lambda cell: (cell.stride, cell.row, cell.column))
    assert found.class_id.tolist() == [cell.class_id for cell in order]
    assert found.confidence.tolist() == [cell.confidence for cell in order]
    assert found.xyxy.reshape(-1) == pytest.approx(np.array([cell.xyxy for cell in order]).reshape(-1), abs=5e-3)


@given(cells(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_decode_is_the_inverse_of_encode(expected: list[Cell], sums: bool) -> None:
    metadata = split_metadata(IMGSZ, CLASSES, sums=sums)
    assert_decodes(encode_split(metadata, expected), metadata, expected)


@given(cells(strides=(4, 8, 16, 32)))
@settings(max_examples=50, deadline=None)
def test_four_strides_and_no_dfl(expected: list[Cell]) -> None:
    metadata = split_metadata(IMGSZ, CLASSES, strides=(4, 8, 16, 32), reg_max=1)
    assert_decodes(encode_split(metadata, expected), metadata, expected)


@given(cells(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_decoded_head(expected: list[Cell], normalized: bool) -> None:
    metadata = decoded_metadata(IMGSZ, CLASSES, normalized=normalized)
    assert_decodes(encode_decoded(metadata, expected), metadata, expected)


@pytest.mark.parametrize("spread", [1, 15, 30, 1000])
@pytest.mark.parametrize("reg_max", [2, 16])
def test_dfl_is_the_mean_of_the_softmax(spread: float, reg_max: int) -> None:
    logits = np.random.default_rng(0).normal(0, spread, (4, reg_max, 50)).astype(np.float32)
    chance = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    found = dfl(logits.reshape(4 * reg_max, 50))
    assert found == pytest.approx((chance * np.arange(reg_max)[:, None]).sum(1), abs=1e-4)


def brute_force_nms(
    xyxy: NDArray[np.float64], confidence: NDArray[np.float32], class_id: NDArray[np.int64], iou: float
) -> list[int]:
    """The definition, word by word."""
    kept: list[int] = []
    for i in sorted(range(len(xyxy)), key=lambda i: (-confidence[i], i)):
        for j in kept:
            x1, y1 = np.maximum(xyxy[i, :2], xyxy[j, :2])
            x2, y2 = np.minimum(xyxy[i, 2:], xyxy[j, 2:])
            overlap = max(x2 - x1, 0) * max(y2 - y1, 0)
            areas = [(xyxy[k, 2] - xyxy[k, 0]) * (xyxy[k, 3] - xyxy[k, 1]) for k in (i, j)]
            if class_id[i] == class_id[j] and overlap / (sum(areas) - overlap) > np.float32(iou):
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(20))
def test_nms_equals_brute_force(seed: int) -> None:
    """2000 cases: random counts, classes, crowding, negative coordinates, and ties of confidence as int8 gives them."""
    rng = np.random.default_rng(seed)
    for _ in range(100):
        count = int(rng.integers(0, 60))
        corner = rng.uniform(-50, rng.choice([60, 300, 2000]), (count, 2))
        xyxy = np.concatenate([corner, corner + rng.uniform(0.5, 120, (count, 2))], axis=1).astype(np.float32)
        confidence = rng.uniform(0.01, 1, count).astype(np.float32)
        if rng.random() < 0.5:
            confidence = (np.ceil(confidence * 20) / 20).astype(np.float32)
        class_id = rng.integers(0, int(rng.integers(1, 81)), count)
        iou = float(rng.choice([0.0, 0.3, 0.45, 0.7, 0.95, 1.0]))
        expected = brute_force_nms(xyxy.astype(float), confidence, class_id, iou)
        assert nms(xyxy, confidence, class_id, iou=iou).tolist() == expected
        expected = brute_force_nms(xyxy.astype(float), confidence, np.zeros(count, np.int64), iou)
        assert nms(xyxy, confidence, None, iou=iou).tolist() == expected


def test_agnostic_nms_lets_one_class_suppress_another() -> None:
    sides = (2.0, 2.0, 2.0, 2.0)
    cells = [Cell(8, 3, 3, 0, 0.9, sides), Cell(8, 3, 4, 1, 0.8, sides), Cell(8, 9, 9, 1, 0.7, sides)]
    metadata = split_metadata(IMGSZ, CLASSES)
    outputs = encode_split(metadata, cells)
    for agnostic, expected in ((False, [0, 1, 1]), (True, [0, 1])):
        found = postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.5, max_det=9, agnostic_nms=agnostic))
        assert found.class_id.tolist() == expected


def test_nms_of_boxes_without_area() -> None:
    """Two in one place are one; two in different places stay."""
    xyxy = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [9, 9, 9, 20]], np.float32)
    kept = nms(xyxy, np.array([0.5, 0.6, 0.4], np.float32), np.zeros(3, np.int64), iou=0.7)
    assert kept.tolist() == [1, 2]


@given(
    cells(),
    st.floats(0, 1, allow_subnormal=False),
    st.integers(1, 5),
    st.lists(st.integers(0, CLASSES - 1), max_size=3),
)
@settings(max_examples=100, deadline=None)
def test_postprocess_keeps_its_promises(expected: list[Cell], iou: float, max_det: int, classes: list[int]) -> None:
    metadata = split_metadata(IMGSZ, CLASSES)
    outputs = encode_split(metadata, expected)
    for array in outputs:
        array.flags.writeable = False
    kept = None if classes is None else tuple(classes)
    found = postprocess(outputs, metadata, Thresholds(conf=0.5, iou=iou, max_det=max_det, classes=kept))
    assert len(found.confidence) <= max_det
    assert (found.confidence > 0.5).all()
    assert (np.diff(found.confidence) <= 0).all()
    assert set(found.class_id.tolist()) <= set(classes)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("head", ["split", "sums", "decoded"])
def test_nothing_is_allocated_for_each_anchor_when_nothing_passes(head: str, dtype: str) -> None:
    """numpy's own buffer of 8192 numbers is; it is the same for 1700 anchors and for 33600."""
    peaks = []
    for side in (288, 1280):
        metadata = (
            decoded_metadata((side, side), 80, normalized=True)
            if head == "decoded"
            else split_metadata((side, side), 80, sums=head == "sums")
        )
        arrays = [np.zeros(shape, dtype) for shape in output_shapes(metadata).values()]
        outputs: list[Values] = [Quantized(array, 0.004, 0) if dtype == "int8" else array for array in arrays]
        postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.7, max_det=300))  # what is made once
        tracemalloc.start()
        try:
            postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.7, max_det=300))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert max(peaks) < 8192 * 4 + 3000 and peaks[1] - peaks[0] < 3000, peaks


def test_nothing_found_gives_empty_arrays_of_the_right_shape() -> None:
    metadata = split_metadata(IMGSZ, CLASSES)
    found = postprocess(encode_split(metadata, []), metadata, Thresholds(conf=0.25, iou=0.7, max_det=300))
    assert found.xyxy.shape == (0, 4) and found.confidence.shape == (0,) and found.class_id.shape == (0,)


def test_multi_label_gives_a_box_for_each_class() -> None:
    metadata = split_metadata(IMGSZ, CLASSES)
    both = [Cell(8, 3, 4, class_id, 0.4 + class_id / 10, (1, 2, 3, 4)) for class_id in (2, 5)]
    outputs = encode_split(metadata, both)
    best = postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.7, max_det=300))
    every = postprocess(outputs, metadata, Thresholds(conf=0.25, iou=0.7, max_det=300, multi_label=True))
    assert best.class_id.tolist() == [5]
    assert every.class_id.tolist() == [5, 2]


def straightforward(
    outputs: list[NDArray[np.float32]], metadata: ModelMetadata, conf: float, multi: bool
) -> list[tuple]:
    """Decode every anchor one by one, in float64: the definition, without any shortcut."""
    found = []
    for scale in scales_of(metadata.outputs):
        box, cls = outputs[scale.box][0].astype(float), outputs[scale.cls][0]
        for row in range(cls.shape[1]):
            for column in range(cls.shape[2]):
                scores = cls[:, row, column]
                sides = []
                for logits in box[:, row, column].reshape(4, -1):
                    chance = np.exp(logits - logits.max())
                    sides.append((chance / chance.sum() * np.arange(len(logits))).sum())
                x, y = column + 0.5, row + 0.5
                xyxy = np.array([x - sides[0], y - sides[1], x + sides[2], y + sides[3]]) * scale.stride
                best = int(scores.argmax())
                classes = range(len(scores)) if multi else [best]
                found += [(class_id, scores[class_id], xyxy) for class_id in classes if scores[class_id] > conf]
    return found


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_dense_tensors_decode_as_by_the_definition(seed: int, multi: bool, sums: bool) -> None:
    """Random scores in steps, as int8 gives them, so that many are equal and some lie exactly on the threshold."""
    rng = np.random.default_rng(seed)
    metadata = split_metadata(IMGSZ, CLASSES, sums=sums)
    outputs = [rng.normal(0, 3, shape).astype(np.float32) for shape in output_shapes(metadata).values()]
    for scale in scales_of(metadata.outputs):
        outputs[scale.cls] = (rng.integers(0, 33, outputs[scale.cls].shape) / 32 * (rng.random() < 0.8)).astype(
            np.float32
        )
        if scale.sum is not None:
            outputs[scale.sum] = np.clip(outputs[scale.cls].sum(axis=1, keepdims=True), 0, 1)
    kept = [array.copy() for array in outputs]
    for array in outputs:
        array.flags.writeable = False
    found = decode(outputs, metadata, conf=0.9375, multi_label=multi)
    expected = straightforward(outputs, metadata, 0.9375, multi)
    assert found.class_id.tolist() == [class_id for class_id, _, _ in expected]
    assert found.confidence.tolist() == [confidence for _, confidence, _ in expected]
    assert found.xyxy.ravel() == pytest.approx(np.array([xyxy for _, _, xyxy in expected]).ravel(), abs=2e-3)
    result = postprocess(outputs, metadata, Thresholds(conf=0.9375, iou=0.5, max_det=10**6, multi_label=multi))
    order = brute_force_nms(found.xyxy.astype(float), found.confidence, found.class_id, 0.5)
    assert np.array_equal(result.xyxy, found.xyxy[order])
    assert all(np.array_equal(one, other) for one, other in zip(outputs, kept, strict=True))


def test_of_an_end_to_end_head_an_anchor_has_one_class_where_classes_do_not_matter() -> None:
    """As ultralytics' Detect.get_topk_index takes them with agnostic_nms: two classes of one anchor are one box."""
    metadata = replace(split_metadata(IMGSZ, CLASSES), end_to_end=True)
    outputs = encode_split(metadata, [Cell(8, 3, 4, 2, 0.8, (1, 1, 2, 2)), Cell(16, 1, 1, 0, 0.5, (1, 1, 1, 1))])
    outputs[scales_of(metadata.outputs)[0].cls][0, 5, 3, 4] = 0.6
    for agnostic, expected in ((False, [2, 5, 0]), (True, [2, 0])):
        assert postprocess(outputs, metadata, Thresholds(agnostic_nms=agnostic)).class_id.tolist() == expected
