"""What a chip's own numbers say is, bit for bit, what their values as float32 say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.encode import decoded_metadata, split_metadata
from yolorknn.errors import InferenceError
from yolorknn.image import Letterbox
from yolorknn.model.metadata import ModelMetadata, Output
from yolorknn.model.values import (
    INTEGERS,
    Quantized,
    Values,
    comparable,
    floats,
    limit,
    numbers_of,
    usable,
)
from yolorknn.tasks.boxes import decode, scales_of
from yolorknn.tasks.known import output_shapes, task_of
from yolorknn.tasks.task import Thresholds

IMGSZ = (32, 64)
CLASSES = 5
PLACED = Letterbox.fit((480, 640), IMGSZ)
SCORES_FROM = {"cls": 0, "sum": 0, "decoded": 4, "anchored": 0, "yolox": 4}
"""The channel from which an output's numbers are scores, by role."""


@st.composite
def outputs_of(draw: st.DrawFn, metadata: ModelMetadata, *, kinds: Sequence[str]) -> list[Values]:
    """Numbers of any scale and zero point, in few steps so that many are equal, each output of one of the kinds.

    Those of scores stand for values from 0 to 1, or a step above.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    made: list[Values] = []
    for output, shape in zip(metadata.outputs, output_shapes(metadata).values(), strict=True):
        kind = draw(st.sampled_from(kinds))
        steps = draw(st.sampled_from([2, 5, 30, 256]))
        values: Values
        if kind in INTEGERS:
            info = np.iinfo(kind)
            scale = float(np.float32(draw(st.floats(1e-4, 0.3))))
            zero_point = draw(st.sampled_from([info.min, info.max, int(rng.integers(info.min, info.max + 1))]))
            numbers = rng.integers(info.min, info.max + 1, steps)
            highest = min(info.max, zero_point + math.floor(1 / scale))
            highest = min(info.max, highest + draw(st.sampled_from([0, 0, 0, 1])))
            scores = rng.integers(zero_point, highest + 1, steps).astype(kind)
            values = Quantized(rng.choice(numbers, shape).astype(kind), scale, zero_point)
        else:
            numbers = rng.normal(0, draw(st.sampled_from([0.3, 1, 5])), steps).astype(kind)
            scores = rng.random(steps).astype(kind)
            values = rng.choice(numbers, shape)
        places = numbers_of(values)[:, SCORES_FROM.get(output.role, shape[1]) :]
        places[:] = rng.choice(scores, places.shape)
        made.append(values)
    return made


def told(decoding: Callable[..., Any], *what: object, **options: object) -> Any:
    """Return what is found, or in what words it is refused."""
    try:
        return decoding(*what, **options)
    except InferenceError as exc:
        return str(exc)


HEADS = {
    "split": split_metadata(IMGSZ, CLASSES),
    "sums": split_metadata(IMGSZ, CLASSES, sums=True),
    "no DFL": split_metadata(IMGSZ, CLASSES, strides=(4, 8, 16, 32), reg_max=1),
    "decoded": decoded_metadata(IMGSZ, CLASSES, normalized=True),
    "decoded in pixels": decoded_metadata(IMGSZ, CLASSES, normalized=False),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kinds", [("int8",), ("uint8",), ("int16",), ("float16",), ("int8", "float16", "float32")])
@given(data=st.data(), multi_label=st.booleans())
@settings(max_examples=12, deadline=None)
def test_boxes_are_those_of_the_dequantized_tensors(
    head: str, kinds: tuple[str, ...], data: st.DataObject, multi_label: bool
) -> None:
    metadata = HEADS[head]
    outputs = data.draw(outputs_of(metadata, kinds=kinds))
    dense = [floats(output) for output in outputs]
    scores = [dense[0][:, 4:]] if "decoded" in head else [dense[scale.cls] for scale in scales_of(metadata.outputs)]
    values = np.unique(np.concatenate([np.unique(array) for array in scores]))
    possible = [float(value) for value in values[(values >= 0) & (values <= 1)][:20]]
    conf = data.draw(st.sampled_from([0.0, 0.25, 1.0, *possible]) | st.floats(0, 1))
    one, other = (told(decode, values, metadata, conf=conf, multi_label=multi_label) for values in (outputs, dense))
    if isinstance(one, str):
        assert one == other
    else:
        for name in ("xyxy", "confidence", "class_id", "anchor"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
    one, other = (
        told(task_of(metadata).decode, values, metadata, Thresholds(conf=conf), PLACED) for values in (outputs, dense)
    )
    assert one == other


def of_task(task: str, roles: Sequence[str], *once: Output, **facts: Any) -> ModelMetadata:
    outputs = tuple(Output(f"{role}{stride}", role, stride) for stride in (8, 16, 32) for role in roles)
    names = tuple(f"n{number}" for number in range(CLASSES))
    return ModelMetadata(names, IMGSZ, "split", (*outputs, *once), task=task, **facts)


TASKS_HEADS = {
    "segment": of_task("segment", ("box", "cls", "mask"), Output("proto", "proto", 4), prototypes=4),
    "segment with sums": of_task("segment", ("box", "cls", "sum", "mask"), Output("proto", "proto", 4), prototypes=3),
    "pose": of_task("pose", ("box", "cls", "keypoints", "visibility"), keypoints=("a", "b", "c")),
    "pose without visibility": of_task("pose", ("box", "cls", "keypoints"), reg_max=1, keypoints=("a", "b")),
    "obb": of_task("obb", ("box", "cls", "angle")),
    "obb in radians": of_task("obb", ("box", "cls", "radians"), reg_max=1),
    "classify": ModelMetadata(
        tuple(map(str, range(9))), IMGSZ, "split", (Output("logits", "logits", 0),), task="classify"
    ),
    "anchor boxes": of_task("detect", ("anchored",), anchors=((4, 5, 8, 3), (10, 13, 16, 30), (33, 23, 30, 61))),
    "YOLOX": of_task("detect", ("yolox",)),
}


@pytest.mark.parametrize("head", TASKS_HEADS)
@pytest.mark.parametrize("kinds", [("int8",), ("uint8",), ("float16",), ("int8", "float16", "float32")])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_every_task_finds_what_it_finds_in_the_dequantized_tensors(
    head: str, kinds: tuple[str, ...], data: st.DataObject
) -> None:
    metadata = TASKS_HEADS[head]
    outputs = data.draw(outputs_of(metadata, kinds=kinds))
    some = data.draw(st.sampled_from([0.2, 0.5, 0.9]))
    thresholds = Thresholds(conf=some, iou=0.5, max_det=20, multi_label=data.draw(st.booleans()))
    task, placed = task_of(metadata), Letterbox.fit((41, 99), IMGSZ)
    one, other = (
        told(task.decode, values, metadata, thresholds, placed)
        for values in (outputs, [floats(output) for output in outputs])
    )
    assert one == other


@given(
    st.sampled_from(INTEGERS),
    st.floats(float(np.finfo(np.float32).tiny), 1e30),
    st.integers(-(2**15), 2**15 - 1),
    st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_numbers_are_compared_as_their_values_are(dtype: str, scale: float, zero_point: int, conf: float) -> None:
    info = np.iinfo(dtype)
    zero_point = max(info.min, min(info.max, zero_point))
    numbers = np.arange(info.min, info.max + 1).astype(dtype)
    values = floats(Quantized(numbers, scale, zero_point))
    assert usable(dtype, scale, zero_point) and (np.diff(values) > 0).all() and np.isfinite(values).all()
    highest = limit(dtype, scale, zero_point, conf)
    assert info.min <= highest <= info.max, "a number of the same type"
    assert np.array_equal(numbers > highest, values > np.float32(conf))


@given(st.floats(0, 1), st.sampled_from(["float16", "float32"]), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_floats_are_compared_by_their_bits(conf: float, dtype: str, seed: int) -> None:
    """All there are of float16; what is no number from 0 on is above any threshold."""
    size = np.dtype(dtype).itemsize
    bits = np.arange(2**16) if size == 2 else np.random.default_rng(seed).integers(0, 2**32, 2**16)
    values = np.append(bits.astype(f"u{size}").view(dtype), np.array([conf, np.nextafter(conf, 2)], dtype))
    above = comparable(values) > limit(dtype, 1.0, 0, conf)
    odd = np.isnan(values) | np.signbit(values)
    assert np.array_equal(above, odd | (values.astype(np.float32) > np.float32(conf)))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, 1.01, 3.17, np.inf, -0.01, -np.inf])
def test_what_can_be_no_score_is_an_error_that_names_the_output(head: str, dtype: str, value: float) -> None:
    """One among all, and also where no box would come of it."""
    metadata = HEADS[head]
    outputs = [np.zeros(shape, dtype) for shape in output_shapes(metadata).values()]
    number = max(i for i, output in enumerate(metadata.outputs) if output.role != "box")
    outputs[number].reshape(-1)[-1] = value
    with pytest.raises(InferenceError, match=rf"^output {metadata.outputs[number].name} has "):
        decode(list(outputs), metadata, conf=0.25)


@pytest.mark.parametrize(("scale", "zero_point", "number"), [(0.1, -128, -80), (1 / 255, 0, -3), (1 / 64, -128, 0)])
def test_what_can_be_no_score_in_int8(scale: float, zero_point: int, number: int) -> None:
    metadata = HEADS["split"]
    arrays = [np.full(shape, zero_point, np.int8) for shape in output_shapes(metadata).values()]
    arrays[3].reshape(-1)[7] = number
    with pytest.raises(InferenceError, match="output cls16 has a score of"):
        decode([Quantized(array, scale, zero_point) for array in arrays], metadata, conf=0.25)


def test_a_chips_rounding_is_no_error_and_no_confidence_above_1() -> None:
    metadata = HEADS["split"]
    outputs: list[Values] = [np.zeros(shape, np.float32) for shape in output_shapes(metadata).values()]
    numbers_of(outputs[1])[0, 0, 0, 0] = 1.001
    numbers_of(outputs[1])[0, 0, 0, 1] = -0.001
    assert decode(outputs, metadata, conf=0.25).confidence.tolist() == [1.0]
    outputs = [Quantized(np.full(values.shape, -128, np.int8), 0.003924, -128) for values in outputs]
    numbers_of(outputs[1])[0, 0, 0, 0] = 127
    assert decode(outputs, metadata, conf=0.25).confidence.tolist() == [1.0]


@pytest.mark.parametrize(("scale", "number"), [(0.1, 11), (0.02, 51), (0.01, 101), (2.5, 1)])
def test_a_step_above_1_is_judged_as_its_value_is(scale: float, number: int) -> None:
    metadata = HEADS["split"]
    outputs = [Quantized(np.full(shape, -128, np.int8), scale, -128) for shape in output_shapes(metadata).values()]
    outputs[1].numbers[0, 0, 0, 0] += number
    one, other = (
        told(decode, values, metadata, conf=0.25) for values in (list(outputs), [floats(values) for values in outputs])
    )
    assert isinstance(one, str) and one == other and "has a score of" in one


def test_numbers_beyond_all_measure_are_no_nan() -> None:
    """Neither an error nor a warning, which is one here."""
    metadata = HEADS["no DFL"]
    outputs = [np.zeros(shape, np.float32) for shape in output_shapes(metadata).values()]
    outputs[0][0, :, 0, :3] = np.array([np.inf, -np.inf, np.finfo(np.float32).max])
    outputs[1][0, 0, 0, :3] = 0.5
    assert np.isfinite(decode(list(outputs), metadata, conf=0.25).xyxy).all()
    outputs[0][0, 2, 0, 1] = np.nan
    with pytest.raises(InferenceError, match=r"^output box4 has NaN"):
        decode(list(outputs), metadata, conf=0.25)
