"""What is said of models that are not read: what they may be, and a way that exists for them."""

from __future__ import annotations

import pytest

from yolorknn.errors import MetadataError
from yolorknn.model.evidence import Evidence, Node
from yolorknn.model.metadata import Tensor
from yolorknn.tasks.known import recognise

IMAGE = [Tensor("images", (1, 3, 64, 64), "float")]
NAMES80 = [f"n{number}" for number in range(80)]


def strides(*channels: int) -> list[tuple[int, ...]]:
    return [(1, count, 64 // stride, 64 // stride) for stride in (8, 16, 32) for count in channels]


PROTO = (1, 32, 16, 16)


@pytest.mark.parametrize(
    ("shapes", "names", "words", "never"),
    [
        ([*strides(255, 96), PROTO], None, "of YOLOv5's segmentation, with anchor boxes", "yolorknn export"),
        ([(1, 252, 117), PROTO], None, "of YOLOv5's segmentation, decoded, with anchor boxes", "--names"),
        ([(1, 252, 85)], NAMES80[:3], "of YOLOv5 or YOLOv7, decoded, with anchor boxes and 80 classes", "--names"),
        (strides(144), None, "43 classes), or have box and 80 classes joined in one output", "seems"),
        (strides(144), NAMES80, "seems to have box and classes joined in one output a stride", "--anchors"),
        (strides(4, 4), NAMES80[:4], "does not show which outputs are boxes", "--names"),
        (strides(85), NAMES80[:3], "80 classes a cell, but the names given are 3: give --names as many", "proves"),
        ([(1, 1000, 1, 1)], None, "is not a model that yolorknn knows", "YOLOX"),
        ([(1, 21, 64, 64)], None, "is not a model that yolorknn knows", "YOLOv5"),
    ],
)
def test_what_a_rknn_may_be(shapes: list[tuple[int, ...]], names: list[str] | None, words: str, never: str) -> None:
    outputs = [Tensor(f"o{number}", shape, "float16") for number, shape in enumerate(shapes)]
    with pytest.raises(MetadataError) as caught:
        recognise(IMAGE, outputs, Evidence(), names=names, where="m")
    assert words in str(caught.value) and never not in str(caught.value)


def test_box_and_classes_that_a_graph_joins() -> None:
    outputs = [Tensor(f"o{number}", shape, "float") for number, shape in enumerate(strides(84))]
    joins = {tensor.name: Node("Concat", (f"box{tensor.name}", f"cls{tensor.name}"), 1) for tensor in outputs}
    with pytest.raises(MetadataError, match="seems to have box and classes joined in one output a stride"):
        recognise(IMAGE, outputs, Evidence(joins), where="m")
