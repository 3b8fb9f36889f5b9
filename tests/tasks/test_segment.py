"""Masks: against ultralytics' own of the same tensors, written and read, and drawn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_torch
from yolorknn import Detections, draw
from yolorknn.errors import InferenceError
from yolorknn.image import Letterbox
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import ModelMetadata, Output, Tensor
from yolorknn.model.values import Quantized, floats
from yolorknn.tasks.drawing import colour
from yolorknn.tasks.known import TASKS, recognise, showing
from yolorknn.tasks.mask_text import read_mask, write_mask
from yolorknn.tasks.scenes import box_scene
from yolorknn.tasks.task import Thresholds, Wording

SEGMENT = TASKS["segment"]
NAMES = ("a", "b", "c")


def metadata(imgsz: tuple[int, int], strides: tuple[int, ...] = (8, 16, 32)) -> ModelMetadata:
    outputs = [Output(f"{role}{stride}", role, stride) for stride in strides for role in ("box", "cls", "mask")]
    proto = Output("proto", "proto", strides[0] // 2)
    return ModelMetadata(NAMES, imgsz, "split", (*outputs, proto), task="segment", prototypes=8)


def smooth(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Noise a few cells wide, as prototypes are."""
    noise = np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
    for axis in (-1, -2):
        noise = sum(np.roll(noise, step, axis) for step in range(5))  # type: ignore[assignment]
    return noise


@needs_torch
@pytest.mark.parametrize(
    ("source", "imgsz", "strides"),
    [
        ((96, 160), (96, 160), (8, 16, 32)),
        ((428, 640), (640, 640), (8, 16, 32)),
        ((425, 640), (640, 640), (8, 16, 32)),
        ((1080, 1920), (384, 640), (8, 16, 32)),
        ((333, 97), (320, 256), (8, 16, 32)),
        ((31, 47), (320, 320), (8, 16, 32)),
        ((1, 5), (320, 320), (8, 16, 32)),
        ((300, 300), (320, 320), (8, 16, 32, 64)),
        ((997, 1499), (640, 640), (8, 16, 32)),
        ((1499, 31), (320, 320), (8, 16, 32)),
    ],
)
def test_masks_are_ultralytics(source: tuple[int, int], imgsz: tuple[int, int], strides: tuple[int, ...]) -> None:
    import torch
    from ultralytics.utils.ops import process_mask_native

    facts = metadata(imgsz, strides)
    outputs = box_scene(facts, SEGMENT.shapes(facts).values())
    outputs[-1] = smooth(outputs[-1].shape, 1)
    found = SEGMENT.decode(outputs, facts, Thresholds(), Letterbox.fit(source, imgsz))
    assert len(found) > 3 and found.mask is not None and found.mask.shape == (len(found), *source)
    from yolorknn.tasks.boxes import gather, postprocess

    (weights,) = gather(outputs, facts, postprocess(outputs, facts, Thresholds()), "mask")
    theirs = process_mask_native(
        torch.from_numpy(outputs[-1][0]),
        torch.from_numpy(weights.T.copy()),
        torch.from_numpy(found.xyxy.copy()),
        source,
    )
    assert (found.mask != theirs.numpy().astype(bool)).mean() < 1e-5  # where a sum is all but 0
    assert min(source) < 10 or found.mask.any()


@pytest.mark.parametrize("source", [(1080, 1920), (997, 1499), (1499, 997)])
def test_no_more_is_enlarged_than_the_rows_of_boxes(source: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of images whose sides have no divisor in common with the input's: 4001x3001 took 3.7 s of an object."""
    made, resize = 0, cv2.resize

    def counted(*given: Any, **options: Any) -> Any:
        nonlocal made
        found = resize(*given, **options)
        made += found.size
        return found

    facts = metadata((640, 640))
    outputs = box_scene(facts, SEGMENT.shapes(facts).values())
    monkeypatch.setattr(cv2, "resize", counted)
    xyxy = SEGMENT.decode(outputs, facts, Thresholds(), Letterbox.fit(source, (640, 640))).xyxy
    assert len(xyxy) > 3 and made < 1.5 * source[1] * np.ceil(xyxy[:, 3] - xyxy[:, 1] + 1).sum()


def test_nothing_found() -> None:
    facts = metadata((64, 64))
    outputs = [np.zeros(shape, np.float32) for shape in SEGMENT.shapes(facts).values()]
    found = SEGMENT.decode(outputs, facts, Thresholds(), Letterbox.fit((48, 64), (64, 64)))
    assert len(found) == 0 and found.mask is not None and found.mask.shape == (0, 48, 64)
    assert showing(found) is SEGMENT and SEGMENT.record(found, Wording.of(facts)) == []
    assert len(SEGMENT.read([])) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["weight", "prototype"])
def test_an_infinite_number_changes_no_other_mask(where: str, value: float) -> None:
    """Of the one's weight its own mask is what that prototype says; of a prototype, what lies in that cell."""
    facts = metadata((64, 96))
    found = []
    for odd in (0, value):
        outputs = [np.zeros(shape, np.float32) for shape in SEGMENT.shapes(facts).values()]
        outputs[0][0, ::16], outputs[0][0, 2::16] = 0, 20  # two cells to each side
        for column, confidence in ((3, 0.9), (9, 0.8)):
            outputs[1][0, 1, 4, column], outputs[2][0, :2, 4, column] = confidence, (1, -1)
        outputs[-1] = smooth(outputs[-1].shape, 0)
        outputs[2][0, 0, 4, 3] += odd if where == "weight" else 0
        outputs[-1][0, :2, 9, 7] += odd if where == "prototype" else 0
        found.append(SEGMENT.decode(outputs, facts, Thresholds(), Letterbox((64, 96), (64, 96), 0, 0)))
    (expected, changed) = found
    assert len(changed) == 2 and changed.mask is not None and expected[1] == changed[1]
    assert changed.mask[0].any() and expected.mask is not None and expected.mask[1].any()


def test_memory_is_used_again_but_never_while_somebody_holds_it() -> None:
    facts = metadata((160, 160))
    scenes = []
    for seed in range(4):
        outputs = box_scene(facts, SEGMENT.shapes(facts).values(), seed=seed)
        outputs[-1] = smooth(outputs[-1].shape, seed)
        size = (100 + 30 * (seed % 2), 170)
        scenes.append((outputs, facts, Thresholds(), Letterbox.fit(size, (160, 160))))
    held = [SEGMENT.decode(*scene) for scene in scenes]
    copies = [found.mask.copy() for found in held if found.mask is not None]
    part = held.pop().mask
    assert part is not None and copies[0].any()
    corner = part[-1:, 40:]
    del part
    places = set()
    for turn in range(12):
        found = SEGMENT.decode(*scenes[turn % 4])
        assert found.mask is not None and np.array_equal(found.mask, copies[turn % 4])
        places.add(found.mask.__array_interface__["data"][0])
    assert len(places) < 6, "no memory was used again"
    assert np.array_equal(corner, copies[3][-1:, 40:])
    assert all(np.array_equal(found.mask, copy) for found, copy in zip(held, copies, strict=False))


def test_int8_is_decoded_as_what_it_stands_for() -> None:
    facts = metadata((160, 160))
    made = box_scene(facts, SEGMENT.shapes(facts).values())
    made[-1] = smooth(made[-1].shape, 1)
    numbers = [Quantized(np.clip(array / scale - 3, -128, 127).round().astype(np.int8), scale, -3)
               for array in made for scale in [float(np.abs(array).max()) / 120]]  # fmt: skip
    placed = Letterbox.fit((100, 170), (160, 160))
    found = SEGMENT.decode(numbers, facts, Thresholds(), placed)
    assert len(found) > 3 and found == SEGMENT.decode([floats(array) for array in numbers], facts, Thresholds(), placed)


def blobs(seed: int, shape: tuple[int, int] = (37, 53)) -> NDArray[np.bool_]:
    return smooth(shape, seed) > 0.5


def test_rle_is_pycocotools() -> None:
    mask_api = pytest.importorskip("pycocotools.mask")
    cases = [blobs(seed) for seed in range(20)]
    cases += [np.zeros((5, 3), np.bool_), np.ones((4, 9), np.bool_), np.eye(30, dtype=np.bool_)]
    cases.append(np.pad(np.ones((600, 1), np.bool_), ((0, 1), (700, 3))))  # runs of many digits
    cases += [np.pad(np.ones((2, 2), np.bool_), place) for place in (((7, 0), (9, 0)), ((0, 7), (0, 9)))]  # in a corner
    for mask in cases:
        ours = write_mask(mask, "rle")
        theirs = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
        assert np.array_equal(read_mask(ours), mask)


def test_polygons_go_around_the_parts() -> None:
    mask = np.zeros((40, 60), np.bool_)
    mask[5:20, 10:30] = mask[25:30, 40:55] = True
    written = write_mask(mask, "polygons")
    assert sorted(map(len, written["polygons"])) == [8, 8] and np.array_equal(read_mask(written), mask)
    assert write_mask(mask[20:25], "polygons")["polygons"] == []


@pytest.mark.parametrize("counts", ["", "5", "0a", "~~~~"])
def test_broken_records_are_refused(counts: str) -> None:
    for size in ([3, 4], [1 << 20, 1 << 20], [-1, 3]):
        with pytest.raises((ValueError, OverflowError)):
            read_mask({"size": size, "counts": counts})


def test_records_are_read_back() -> None:
    mask = np.stack([blobs(1), blobs(2)])
    found = Detections(np.array([[1, 2, 30.25, 31], [0, 0, 52, 36]]), np.array([0.9, 0.5]), np.array([2, 0]), mask=mask)
    read = SEGMENT.read(SEGMENT.record(found, Wording(dict(enumerate(NAMES)))))
    assert read == found


def test_masks_that_no_memory_holds_are_an_error_in_words() -> None:
    facts = metadata((64, 96))
    outputs = SEGMENT.scene(facts)
    placed = Letterbox.fit((12_000_000, 18_000_000), (64, 96))
    with pytest.raises(InferenceError, match=r"masks of \d+ objects in an image of 18000000x12000000 pixels take \d+"):
        SEGMENT.decode(outputs, facts, Thresholds(), placed)


def test_masks_are_drawn_under_boxes() -> None:
    mask = np.zeros((1, 60, 80), np.bool_)
    mask[0, 30:40, 20:60] = True
    found = Detections(np.array([[10, 25, 70, 50]]), np.array([0.9]), np.array([1]), mask=mask)
    drawn = draw(np.zeros((60, 80, 3), np.uint8), found, NAMES)
    assert drawn[35, 40].tolist() == [value // 2 for value in colour(1)] and not drawn[45, 40].any()


def test_only_a_head_with_prototypes_is_recognised() -> None:
    facts = metadata((64, 64))
    outputs = [Tensor(name, shape, "float32") for name, shape in SEGMENT.shapes(facts).items()]
    image = [Tensor("images", (1, 3, 64, 64), "float32")]
    found = recognise(image, outputs, Evidence(), names=NAMES, where="m")
    assert (found.task, found.prototypes, found.outputs) == ("segment", 8, facts.outputs)
    by_kind = sorted(outputs, key=lambda tensor: tensor.name.rstrip("0123456789"), reverse=True)  # the prototypes first
    found = recognise(image, by_kind, Evidence(), names=NAMES, where="m")
    assert [output.name for output in found.outputs] == [tensor.name for tensor in by_kind]
    assert {*found.outputs} == {*facts.outputs}
    zoo = []
    for number in range(0, 9, 3):
        box, cls, mask = outputs[number : number + 3]
        zoo += [box, cls, Tensor(f"sum{number}", (1, 1, *box.shape[2:]), "float32"), mask]
    found = recognise(image, [*zoo, outputs[-1]], Evidence(), names=NAMES, where="m")
    assert found.task == "segment" and [output.role for output in found.outputs[:4]] == ["box", "cls", "sum", "mask"]
    assert SEGMENT.recognise((64, 64), [*outputs[:-1], outputs[-1]._replace(shape=(1, 7, 16, 16))], Evidence()) is None
    assert SEGMENT.recognise((64, 64), outputs[:-1], Evidence()) is None
