"""What the tasks share that find boxes, whatever more they find."""

from __future__ import annotations

from collections.abc import Sequence

from yolorknn.image import Canvas
from yolorknn.model.metadata import ModelMetadata, Tensor
from yolorknn.tasks.scenes import box_scene
from yolorknn.tasks.split import split_fits, split_shapes
from yolorknn.tasks.task import Floats


class BoxTask:
    """A split head's outputs, letterboxed images, and a scene with boxes; see tasks.task.Task."""

    key = "detections"

    def shapes(self, metadata: ModelMetadata) -> dict[str, tuple[int, ...]]:
        """Return the outputs' shapes."""
        return split_shapes(metadata)

    def fits(self, metadata: ModelMetadata, outputs: Sequence[Tensor]) -> bool:
        """Compare names, order and shapes."""
        return split_fits(self.shapes(metadata), outputs)

    def canvas(self, imgsz: tuple[int, int]) -> Canvas:
        """Letterbox."""
        return Canvas(imgsz)

    def scene(self, metadata: ModelMetadata) -> list[Floats]:
        """Return outputs of a street scene."""
        return box_scene(metadata, self.shapes(metadata).values())
