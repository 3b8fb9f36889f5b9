"""Detection heads of others, recognised: those with an objectness; see objectness.py."""

from __future__ import annotations

from collections.abc import Sequence

from yolorknn.model.anchor_sizes import by_stride
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import Output, Tensor
from yolorknn.tasks.objectness import BEFORE
from yolorknn.tasks.split import STRIDES, Grid, cells_of, grids_of, one_a_stride
from yolorknn.tasks.task import Layout

ANCHORS = 3
"""Anchor boxes a cell, of YOLOv3 to YOLOv7."""
PLACED = frozenset({"Mul", "Add", "Sub"})
"""What ends the way from a network's values to pixels."""


def recognise_objectness(imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> Layout | None:
    """Return what outputs are, where they are of such a head and that is proved."""
    if len(outputs) == 1 and len(outputs[0].shape) == 3:
        return _rows(imgsz, outputs[0], evidence)
    grids = grids_of(imgsz, outputs)
    if (classes := _yolox_classes(grids, evidence)) is not None:
        found = tuple(Output(grid.outputs[0].name, "yolox", grid.stride) for grid in grids)
        return Layout("split", found, classes, colour="BGR", std=1.0)
    classes = anchored_classes(grids, evidence)
    if classes is None or evidence.anchors is None:
        return None
    groups = by_stride(evidence.anchors, [grid.stride for grid in grids], ANCHORS)
    if isinstance(groups, str):
        return None
    found = tuple(Output(grid.outputs[0].name, "anchored", grid.stride) for grid in grids)
    return Layout("split", found, classes, anchors=groups)


def anchored_classes(grids: Sequence[Grid], evidence: Evidence) -> int | None:
    """Return the number of classes of YOLOv5's or YOLOv7's head; None where the outputs are not proved to be one.

    All that it says is made by a Sigmoid, width and height too: no other head is so. Where there is no graph to see
    that in, somebody must say how many classes there are, or what sizes the anchor boxes have; and a quantized output
    has no other values than those from 0 to 1.
    """
    channels = one_a_stride(grids)
    if len(grids) < 2 or channels is None:
        return None
    count, rest = divmod(channels, ANCHORS)
    if rest or count <= BEFORE or evidence.classes not in (None, count - BEFORE):
        return None
    kinds = {evidence.kind(grid.outputs[0].name) for grid in grids}
    if evidence.nodes is None and evidence.classes is None and evidence.anchors is None:
        return None
    return count - BEFORE if kinds <= {"scores", None} else None


def _yolox_classes(grids: Sequence[Grid], evidence: Evidence) -> int | None:
    """Return the number of classes of YOLOX's head; None where the outputs are not proved to be one.

    The graph shows that each is joined of a box as it is, and behind it objectness and classes after a Sigmoid. Without
    a graph somebody must say how many classes there are: no other head has as many channels for these.
    """
    classes = (one_a_stride(grids) or 0) - BEFORE
    if len(grids) < 2 or classes < 1 or evidence.classes not in (None, classes):
        return None
    names = [grid.outputs[0].name for grid in grids]
    if evidence.nodes is None:
        return classes if evidence.classes is not None else None
    made = [[evidence.kind(part) for part in evidence.parts(name)] for name in names]
    return classes if all(kinds == ["raw", "scores", "scores"] for kinds in made) else None


def _rows(imgsz: tuple[int, int], output: Tensor, evidence: Evidence) -> Layout | None:
    """Read (1, boxes, 5 + classes), in which the graph shows boxes in pixels, and behind them scores."""
    _, rows, columns = output.shape
    if rows != ANCHORS * cells_of(imgsz) or columns <= BEFORE or evidence.classes not in (None, columns - BEFORE):
        return None
    if evidence.nodes is None:
        proved = evidence.classes is not None
    else:
        stacked = evidence.stacked(output.name)
        proved = len(stacked) == len(STRIDES) and all(_is_placed(parts, evidence) for parts in stacked)
    return Layout("decoded", (Output(output.name, "rows", 0),), columns - BEFORE) if proved else None


def _is_placed(parts: Sequence[str], evidence: Evidence) -> bool:
    *boxes, scores = parts or [""]
    return (
        len(boxes) == 2
        and all(evidence.maker(box) in PLACED and evidence.kind(box) == "raw" for box in boxes)
        and evidence.kind(scores) == "scores"
    )
