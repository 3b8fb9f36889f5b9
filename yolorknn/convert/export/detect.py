"""The head of task "detect": what is cut or replaced in ultralytics' Detect before export."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from yolorknn.convert.export.network import fused
from yolorknn.convert.export.programs import Layout
from yolorknn.errors import ExportError
from yolorknn.model.metadata import Output

ZOO_STRIDES = 3


class DetectHead:
    """YOLOv3u to YOLO26; see heads.ExportHead."""

    task = "detect"
    kinds: tuple[str, ...] = ("Detect", "v10Detect")

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return outputs, reg_max, and whether coordinates are divided by imgsz and the head is one-to-one."""
        detect = model.model[-1]
        check_for_zoo(detect, layout)
        outputs = {
            "split": grids(detect, "box", "cls"),
            "sums": grids(detect, "box", "cls", "sum"),
        }
        return {
            "outputs": outputs.get(layout, (Output("output0", "decoded", 0),)),
            "reg_max": int(detect.reg_max),
            "normalized": layout == "decoded",
            "end_to_end": is_end_to_end(detect),
        }

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module that computes the outputs of a layout.

        Of an end-to-end head the one-to-one branch is taken, as far as its scores and boxes; the top-k that ultralytics
        puts behind them is done in tasks/boxes.py.
        """
        forwards: dict[Layout, Callable[..., Any]] = {
            "split": _split_forward,
            "sums": partial(_split_forward, sums=True),
            "decoded": _decoded_forward,
            "pixels": partial(_decoded_forward, normalized=False),
        }
        return computing_with(model, forwards[layout])


def grids(head: Any, *roles: str) -> tuple[Output, ...]:
    """Return the outputs of a head that has these at each stride, stride by stride."""
    return tuple(Output(f"{role}{int(stride)}", role, int(stride)) for stride in head.stride for role in roles)


def is_end_to_end(head: Any) -> bool:
    """Return whether the head, as in YOLOv10 and YOLO26, has a branch trained one-to-one, which needs no NMS."""
    return getattr(head, "one2one_cv2", None) is not None


def computing_with(model: Any, forward: Callable[..., Any]) -> Any:
    """Return one_branch() of a model, with a head that computes its outputs with a function of the features."""
    model = one_branch(model)
    head = model.model[-1]
    head.forward = partial(forward, head)
    return model


def one_branch(model: Any) -> Any:
    """Return the fused model, changed in place, whose head has no other branch than the one that is exported.

    Of an end-to-end head that is the one-to-one branch, whatever it is made of, under the names of the other.
    """
    head = model.model[-1]
    end_to_end = is_end_to_end(head)
    if end_to_end:
        head.end2end = True  # else fuse() throws the one-to-one branch away
    model = fused(model)
    if end_to_end:  # from here on it is a head without NMS-free branch
        for name, module in list(head.named_children()):
            if name.startswith("one2one_"):
                setattr(head, name.removeprefix("one2one_"), module)
                setattr(head, name, None)
        head.end2end = False
    return model


def check_for_zoo(head: Any, layout: Layout) -> None:
    """Refuse a head whose outputs the model zoo's programs would take for others.

    Raises:
        ExportError: its boxes are no distributions, each of which would be without size; or it has not as many strides
            as these divide its outputs among, whatever they are.
    """
    if layout != "sums":
        return
    if int(head.reg_max) == 1:
        raise ExportError("the model's boxes are no distributions (DFL), which the model zoo's programs expect")
    if len(head.stride) != ZOO_STRIDES:
        raise ExportError(
            f"the model has boxes of {len(head.stride)} strides, and the model zoo's programs expect those of "
            f"{ZOO_STRIDES}: leave out --for zoo"
        )


def split_only(head: str, layout: Layout, *others: Layout) -> None:
    """Refuse a layout of a head that has none but the split one, and perhaps others.

    Raises:
        ExportError: it was asked for.
    """
    if layout == "split" or layout in others:
        return
    asked = {
        "sums": "--for zoo, which is for detection and segmentation",
        "pixels": "--for, as Frigate takes detection models only, like --for ultralytics (zoo: segmentation too)",
        "decoded": "--head decoded or --for ultralytics, which are for detection",
    }
    raise ExportError(f"{head} is a head that is exported split: leave out {asked[layout]}")


def box_and_scores(head: Any, number: int, feature: Any, *, sums: bool = False) -> list[Any]:
    """Return a stride's DFL logits of the four sides (distances where reg_max is 1), and its class scores.

    With `sums` also the scores' sum, which is 1 at most: what programs of the model zoo look at first.
    """
    box, scores = head.cv2[number](feature), head.cv3[number](feature).sigmoid()
    return [box, scores, scores.sum(1, keepdim=True).clamp(0, 1)] if sums else [box, scores]


def _split_forward(self: Any, features: list[Any], *, sums: bool = False) -> tuple[Any, ...]:
    """What remains of Detect is done in tasks/boxes.py."""
    return tuple(
        output for number, feature in enumerate(features) for output in box_and_scores(self, number, feature, sums=sums)
    )


def _decoded_forward(self: Any, features: list[Any], *, normalized: bool = True) -> Any:
    """Centre, width and height, and the scores.

    Divided by imgsz, one scale of int8 fits them and the scores; in pixels they are what other programs take.

    Stride by stride: rknn-toolkit2 2.5.0 crashes on a DFL of all strides in one tensor, and the NPU's registers count
    at most 8191 of the 8400 anchors of 640 pixels.
    """
    import torch

    outputs = []
    for box, cls, feature, stride in zip(self.cv2, self.cv3, features, self.stride, strict=True):
        height, width = feature.shape[2:]
        cells = [width, height] if normalized else [1 / float(stride)] * 2
        size = torch.tensor(cells, dtype=torch.float32).reshape(1, 2, 1)  # in cells, as the distances are
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        points = torch.stack([x.flatten(), y.flatten()])[None] / size
        near, far = (self.dfl(box(feature).flatten(2)) / torch.cat([size, size], dim=1)).split(2, dim=1)
        outputs.append(torch.cat([points + (far - near) / 2, near + far, cls(feature).flatten(2).sigmoid()], dim=1))
    return torch.cat(outputs, dim=2)
