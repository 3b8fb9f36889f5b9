"""The head of task "obb": what is cut or replaced in ultralytics' OBB before export."""

from __future__ import annotations

from typing import Any

from yolorknn.convert.export.detect import box_and_scores, computing_with, grids, is_end_to_end, split_only
from yolorknn.convert.export.programs import Layout

RAW = "OBB26"
"""The head that gives radians; the others' angle goes through a sigmoid, whose range is the same for every network."""


class ObbHead:
    """YOLOv8-obb to YOLO26-obb; see heads.ExportHead."""

    task = "obb"
    kinds: tuple[str, ...] = ("OBB", RAW)

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return outputs, reg_max, and whether the head is one-to-one."""
        obb = model.model[-1]
        kind = type(obb).__name__
        split_only(kind, layout)
        return {
            "outputs": grids(obb, "box", "cls", "radians" if kind == RAW else "angle"),
            "reg_max": int(obb.reg_max),
            "end_to_end": is_end_to_end(obb),
        }

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module that computes the outputs."""
        return computing_with(model, _forward)


def _forward(self: Any, features: list[Any]) -> tuple[Any, ...]:
    """Per stride box, class scores and angle; see tasks/obb.py."""
    outputs = []
    for number, feature in enumerate(features):
        angle = self.cv4[number](feature)
        outputs += [*box_and_scores(self, number, feature), angle if type(self).__name__ == RAW else angle.sigmoid()]
    return tuple(outputs)
