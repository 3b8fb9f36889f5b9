"""The heads that can be exported, one task a file."""

from __future__ import annotations

from typing import Any, Protocol

from yolorknn.convert.export.classify import ClassifyHead
from yolorknn.convert.export.detect import DetectHead
from yolorknn.convert.export.obb import ObbHead
from yolorknn.convert.export.pose import PoseHead
from yolorknn.convert.export.programs import Layout
from yolorknn.convert.export.segment import SegmentHead
from yolorknn.errors import ExportError


class ExportHead(Protocol):
    """How the head of a task is exported."""

    task: str
    """See tasks/."""
    kinds: tuple[str, ...]
    """Names of ultralytics' classes; a subclass is another head, that would lose what it adds."""

    def describe(self, model: Any, layout: Layout) -> dict[str, Any]:
        """Return the fields of ModelMetadata that follow from the head: outputs, in order, and what else it needs."""

    def prepare(self, model: Any, layout: Layout) -> Any:
        """Return a module, the model changed in place, that computes these outputs."""


HEADS: tuple[ExportHead, ...] = (DetectHead(), SegmentHead(), PoseHead(), ObbHead(), ClassifyHead())


def head_of(model: Any) -> ExportHead:
    """Return how a model's head is exported.

    Raises:
        ExportError: it is none of these, and is named.
    """
    kind = type(model.model[-1]).__name__
    for head in HEADS:
        if kind in head.kinds:
            return head
    known = ", ".join(kind for head in HEADS for kind in head.kinds)
    raise ExportError(f"the model has a {kind} head; supported are models of ultralytics, YOLOv3u to YOLO26 ({known})")
