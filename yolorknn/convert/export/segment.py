"""The head of task "segment": what is cut or replaced in ultralytics' Segment before export."""

from __future__ import annotations

from functools import partial
from typing import Any

from yolorknn.convert.export.detect import (
    box_and_scores,
    check_for_zoo,
    computing_with,
    grids,
    is_end_to_end,
    split_only,
)
from yolorknn.convert.export.programs import Layout
from yolorknn.model.metadata import Output

PROTO_STRIDE = 2
"""The prototypes have so many cells a side for each of the first stride, which is the finest but in odd networks."""


class SegmentHead:
    """YOLOv8-seg to YOLO26-seg; see heads.ExportHead."""

    task = "segment"
    kinds: tuple[str, ...] = ("Segment", "Segment26")

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return outputs, reg_max, the number of prototypes, and whether the head is one-to-one."""
        segment = model.model[-1]
        split_only(type(segment).__name__, layout, "sums")
        check_for_zoo(segment, layout)
        proto = Output("proto", "proto", int(segment.stride[0]) // PROTO_STRIDE)
        return {
            "outputs": (*grids(segment, "box", "cls", *(("sum",) if layout == "sums" else ()), "mask"), proto),
            "reg_max": int(segment.reg_max),
            "prototypes": int(segment.nm),
            "end_to_end": is_end_to_end(segment),
        }

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module that computes the outputs."""
        return computing_with(model, partial(_forward, sums=layout == "sums"))


def _forward(self: Any, features: list[Any], *, sums: bool) -> tuple[Any, ...]:
    """Per stride box, class scores and the weights of the prototypes; and these; see tasks/segment.py."""
    outputs = []
    for number, feature in enumerate(features):
        outputs += [*box_and_scores(self, number, feature, sums=sums), self.cv4[number](feature)]
    fuses = hasattr(self.proto, "feat_fuse")  # those of YOLO26, made of the features of all strides
    return (*outputs, self.proto(features if fuses else features[0]))
