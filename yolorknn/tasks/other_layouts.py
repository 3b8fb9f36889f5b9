"""What a model is that no task reads: named where its outputs or metadata say so, with the way that exists for it."""

from __future__ import annotations

from collections.abc import Sequence

from yolorknn.model.anchor_sizes import PUBLISHED, WRITTEN, by_stride
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import Tensor
from yolorknn.tasks.joined import BOX
from yolorknn.tasks.other_heads import ANCHORS, anchored_classes
from yolorknn.tasks.split import REG_MAX, Grid, cells_of, grids_of

EXPORT = "export the .pt with 'yolorknn export'"
GENERIC = "build it as it is with --generic"
MOST_BOXES = 1000
"""That a head with NMS or a top-k gives; others have more cells."""


def name_layout(imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> str | None:
    """Return what a model is and what to do with it, to follow its file's name; None where nothing is known of it.

    Args:
        imgsz: height and width of the input.
        outputs: in the file's order.
        evidence: what else is known of them.
    """
    if not outputs:
        return None
    first, grids = outputs[0].shape, grids_of(imgsz, outputs)
    cells = cells_of(imgsz)
    if len(first) == 3 and 6 <= first[2] < first[1] <= MOST_BOXES and {*first} & {cells, ANCHORS * cells} == set():
        return f"ends in NMS or a top-k, as of ultralytics' nms=True or end2end: {EXPORT}, or without nms=True"
    if evidence.task not in (None, "detect"):
        of = f"of task '{evidence.task}' as ultralytics writes it"
        return f"is a model {of}, of whose outputs yolorknn reads none: {EXPORT}"
    if len(first) == 5 and first[1] == ANCHORS:
        return _of_others("of YOLOv5 or YOLOv7, with anchor boxes")
    if (classes := anchored_classes(grids, evidence)) is not None:
        return _without_sizes(classes, grids, evidence)
    if _are_masks_with_anchors(grids):
        return _of_others("of YOLOv5's segmentation, with anchor boxes")
    if len(grids) > 1 and all(len(grid.outputs) == 1 for grid in grids):
        return _one_a_stride(grids, evidence)
    if grids:
        return _several_a_stride(grids, evidence) if len(grids) > 1 else None
    return _all_strides(imgsz, outputs, evidence)


def _of_others(layout: str) -> str:
    return (
        f"has the output layout {layout}, which yolorknn does not decode: {GENERIC}, for programs that do, as those of "
        "Rockchip's rknn_model_zoo"
    )


def _are_masks_with_anchors(grids: Sequence[Grid]) -> bool:
    """Tell whether each stride has boxes and the weights of prototypes, of some anchor boxes each, and one these."""
    alone = [grid.channels[0] for grid in grids if len(grid.outputs) == 1]
    others = {grid.channels for grid in grids if len(grid.outputs) != 1}
    if len(alone) != 1 or len(others) != 1:
        return False
    (channels,) = others
    return len(channels) == 2 and channels[1] == ANCHORS * alone[0] and channels[0] % ANCHORS == 0


def _without_sizes(classes: int, grids: Sequence[Grid], evidence: Evidence) -> str:
    head = f"has the outputs of YOLOv5 or YOLOv7, {ANCHORS} anchor boxes a cell (and {_classes(classes)})"
    if evidence.anchors is not None:
        why = by_stride(evidence.anchors, [grid.stride for grid in grids], ANCHORS)
        assert isinstance(why, str), "else it would have been recognised"
        return f"{head}: {why}"
    return (
        f"{head}, whose sizes are not in the file: give them with --anchors FILE, as in the {WRITTEN} that the export "
        f"wrote, or --anchors {' or --anchors '.join(PUBLISHED)} for those that the authors publish, "
        "of which YOLOv7-tiny's go by its own name"
    )


def _one_a_stride(grids: Sequence[Grid], evidence: Evidence) -> str | None:
    (count,) = grids[0].channels
    joined = len(evidence.parts(grids[0].outputs[0].name))
    if {grid.channels for grid in grids} != {(count,)} or count < 6 or count // 4 in REG_MAX:
        return None
    both = "joined in one output a stride, as in ultralytics' head before it is decoded"
    if joined == 2 or (count > BOX and evidence.classes == count - BOX):
        return f"seems to have box and classes {both}, which yolorknn does not decode: {EXPORT}, or {GENERIC}"
    if count % ANCHORS == 0 and evidence.classes not in (None, count // ANCHORS - 5):
        return None
    if count % ANCHORS == 0 and count // ANCHORS >= 6 and joined == 1:
        head = f"may be of YOLOv5 or YOLOv7, {ANCHORS} anchor boxes a cell (and {_classes(count // ANCHORS - 5)})"
        if evidence.nodes is None and evidence.kind(grids[0].outputs[0].name) is None:
            other = f", or have box and {_classes(count - BOX)} {both}" if count > BOX and not evidence.classes else ""
            return f"{head}{other}, which nothing in the file proves: give the sizes of anchor boxes with --anchors"
        return (
            f"{head}, or of YOLOv3 or YOLOv4, as no Sigmoid is behind its outputs: export it with one, as Rockchip's "
            f"forks do, or {GENERIC}"
        )
    head = f"may be of YOLOX, a box, its objectness and {_classes(count - 5)} a cell"
    if evidence.nodes is None and evidence.classes is not None:
        return f"{head}, but the names given are {evidence.classes}: give --names as many, or {GENERIC}"
    if evidence.nodes is None:
        return f"{head}, which nothing in the file proves: name the classes with --names"
    return (
        f"{head}, but not as the model zoo has it, box, objectness after a Sigmoid and classes after a Sigmoid joined: "
        f"export it so, or {GENERIC}"
    )


def _several_a_stride(grids: Sequence[Grid], evidence: Evidence) -> str | None:
    kinds = {tensor.name: evidence.kind(tensor.name) for grid in grids for tensor in grid.outputs}
    channels = grids[0].channels
    if len({grid.channels for grid in grids}) != 1 or channels[2:] not in ((), (1,)):
        return None
    if set(kinds.values()) == {"raw"}:
        return (
            f"has no scores from 0 to 1 among its outputs ({', '.join(kinds)}): if the class scores are logits, put a "
            f"Sigmoid behind them, or {EXPORT}"
        )
    if evidence.nodes is None and sum(count // 4 in REG_MAX and count % 4 == 0 for count in channels) > 1:
        return (
            f"does not show which outputs are boxes and which are classes ({_shapes(grids)}): "
            f"{'' if evidence.classes else 'name the classes with --names, '}give its .onnx, or {EXPORT}"
        )
    return None


def _all_strides(imgsz: tuple[int, int], outputs: Sequence[Tensor], evidence: Evidence) -> str | None:
    first = outputs[0].shape
    if len(first) != 3 or first[0] != 1:
        return None
    anchors = cells_of(imgsz)
    if first[1] == ANCHORS * anchors and first[2] > 5:
        if len(outputs) > 1 and len(outputs[1].shape) == 4:
            return _of_others("of YOLOv5's segmentation, decoded, with anchor boxes")
        decoded = f"of YOLOv5 or YOLOv7, decoded, with anchor boxes and {_classes(first[2] - 5)}"
        if evidence.nodes is None and evidence.classes is None and len(outputs) == 1:
            return f"may have the output {decoded}, which nothing in the file proves: name the classes with --names"
        return _of_others(decoded)
    if first[1] == anchors and first[2] > 5:
        return _of_others(f"of YOLOX or YOLOv6, all strides in one, with {_classes(first[2] - 5)}")
    if first[1] < 6 or first[2] < anchors // 4:
        return None
    shape, classes = "x".join(map(str, first)), first[1] - 4
    readings = [f"detect with {_classes(classes)}", *_with_keypoints(classes), f"obb with {_classes(classes - 1)}"]
    if len(outputs) > 1:
        return f"is a segment model as ultralytics writes it, or another with {len(outputs)} outputs: {EXPORT}"
    proof = "metadata and graph do not prove" if evidence.nodes is not None else "nothing in the file proves"
    hint = f", or name the {_classes(classes)} with --names" if evidence.nodes is None else ""
    return f"may be a model of {', '.join(readings)}, as {proof} what its output {shape} is: {EXPORT}{hint}"


def _with_keypoints(rest: int) -> list[str]:
    """Return what a pose model with so many channels besides the box is: of one class, where there is one."""
    for values in (3, 2):
        if rest > values and (rest - 1) % values == 0:
            return [f"pose with 1 class and {(rest - 1) // values} keypoints"]
    return ["pose with several classes"]


def _classes(count: int) -> str:
    return "1 class" if count == 1 else f"{count} classes"


def _shapes(grids: Sequence[Grid]) -> str:
    return ", ".join(f"{tensor.name} {tensor.shape}" for tensor in grids[0].outputs)
