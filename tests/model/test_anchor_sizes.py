"""Sizes of anchor boxes as they are given: by a name, in a file as others write it, in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolorknn import Detector, ModelError
from yolorknn.model.anchor_sizes import PUBLISHED, given_anchors

V5 = PUBLISHED["yolov5"]
NESTED = np.array(V5).reshape(3, 6).tolist()
LISTS = """nc: 80  # number of classes
anchors:
  - [10,13, 16,30, 33,23]  # P3/8
  - [30,61, 62,45, 59,119]

  - [116,90, 156,198, 373,326]  # P5/32

# backbone
backbone:
  [[-1, 1, Conv, [32, 3, 2, None, 1]],
   [-1, 1, Conv, [64, 3, 2]],
  ]
"""
DASHES = "nc: 2\nanchors:\n" + "".join(f"- - {row[0]}\n" + "".join(f"  - {n}\n" for n in row[1:]) for row in NESTED)


def test_yolov7_tiny_has_sizes_of_its_own_name() -> None:
    assert given_anchors("yolov7-tiny") == V5 != PUBLISHED["yolov7"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("yolov5s.yaml", LISTS),
        ("crlf.yaml", LISTS.replace("\n", "\r\n")),
        ("dashes.yml", DASHES + "head: 1\n"),
        ("flow.yaml", f"anchors: {NESTED}\ndepth_multiple: 0.33\n"),
        ("bare.yaml", str(NESTED)),
        (
            "c.txt",
            "# of the finest stride first\n" + "\n".join(f"{w},{h}  # a box" for w, h in np.array(V5).reshape(9, 2)),
        ),
    ],
)
def test_a_file_as_others_write_it(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode())
    assert given_anchors(file) == V5


@pytest.mark.parametrize("text", ["nc: 80\n", "anchors: 3\n", "anchors:\n  - [a, b]\n", "anchors: 1\nanchors: 2\n"])
def test_a_yaml_without_sizes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    with pytest.raises(ModelError, match=r"m\.yaml (is not a list of anchor boxes|has 1 numbers)"):
        given_anchors(file)


@pytest.mark.parametrize(
    "anchors", [NESTED, np.array(V5).reshape(3, 3, 2), tuple(np.float32(size) for size in V5), iter(V5)]
)
def test_numbers_may_be_nested(anchors: Any) -> None:
    assert given_anchors(anchors) == V5


@pytest.mark.parametrize("anchors", [["a"] * 18, 5, {"anchors": NESTED}, [None], b"10 13"])
def test_what_are_no_numbers(tmp_path: Path, anchors: Any) -> None:
    with pytest.raises(ValueError, match="anchors are yolov5, yolov7, yolov7-tiny, a text file, or numbers"):
        Detector(tmp_path / "not looked at.onnx", anchors=anchors)
