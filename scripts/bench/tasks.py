"""Time our post-processing of masks, poses and oriented boxes beside ultralytics' own, in one process, on one scene.

    .venv/bin/python scripts/bench/tasks.py MODEL.onnx [IMAGE ...]

MODEL has a split head of YOLOv8 or YOLO11. Without an image the outputs are made up: a scene with some 60 anchors above
0.25. Both begin with what the last convolutions gave, an array for each stride, scores and angles after the sigmoid,
and end with results in pixels of the image: of ultralytics, what its head joins and decodes, NMS, and the results that
its predictor makes; of turned boxes both give the corners and the upright boxes around them. Masks at the image's size
are what retina_masks=True gives, those at the model's size its default, which is less. One thread, five calls in a row
in each round; beside frames of 1280x720, then of 1920x1080, see recorded.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from beside import DEMO_IMAGES, arguments, compare, show
from postprocess import REPEATS, int8
from recorded import FRAMES, Arrays, Scene, record
from ultralytics.models.yolo.detect import DetectionPredictor
from ultralytics.models.yolo.obb import OBBPredictor
from ultralytics.models.yolo.pose import PosePredictor
from ultralytics.models.yolo.segment import SegmentationPredictor
from ultralytics.nn.modules.head import OBB, Detect, Pose, Segment
from ultralytics.utils.nms import non_max_suppression

from yolorknn.image import letterbox, read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.tasks.boxes import scales_of
from yolorknn.tasks.known import task_of
from yolorknn.tasks.task import Thresholds

CONF, IOU, MAX_DET = 0.25, 0.7, 300


class Ready:
    """Scores on which the sigmoid costs nothing, as it was in the graph."""

    def __init__(self, scores: torch.Tensor) -> None:
        self._scores = scores

    def sigmoid(self) -> torch.Tensor:
        """Return them."""
        return self._scores


def head_of(metadata: ModelMetadata) -> Any:
    """Return ultralytics' head, whose layers are not used."""
    classes, strides = len(metadata.names), [scale.stride for scale in scales_of(metadata.outputs)]
    width = (64,) * len(strides)
    made: Any = {
        "detect": lambda: Detect(classes, ch=width),
        "segment": lambda: Segment(classes, nm=metadata.prototypes, npr=64, ch=width),
        "pose": lambda: Pose(classes, kpt_shape=(len(metadata.keypoints), 3), ch=width),
        "obb": lambda: OBB(classes, ch=width),
    }[metadata.task]()
    made.stride = torch.tensor(strides, dtype=torch.float32)
    return made.eval()


def grids_of(outputs: Arrays, metadata: ModelMetadata) -> dict[str, list[torch.Tensor]]:
    """Return our outputs as the last convolutions of ultralytics' head give them: by its names, an array a stride."""

    def grids(role: str) -> list[torch.Tensor]:
        chosen = [array for array, output in zip(outputs, metadata.outputs, strict=True) if output.role == role]
        return [torch.from_numpy(array) for array in chosen]

    found = {"boxes": grids("box"), "scores": grids("cls")}
    if metadata.task == "segment":
        found["mask_coefficient"] = grids("mask")
    if metadata.task == "obb":
        found["angle"] = grids("angle")
    if metadata.task == "pose":
        ways = [((grid + 0.5) / 2).unflatten(1, (-1, 2)) for grid in grids("keypoints")]
        pairs = zip(ways, grids("visibility"), strict=True)
        found["kpts"] = [torch.cat([way, seen[:, :, None]], 2).flatten(1, 2) for way, seen in pairs]
    return found


def preds_of(grids: Mapping[str, Sequence[torch.Tensor]]) -> dict[str, Any]:
    """Return what ultralytics' head joins of them before it decodes, as its forward_head() does."""
    preds: dict[str, Any] = {name: torch.cat([grid.flatten(2) for grid in some], 2) for name, some in grids.items()}
    if "angle" in preds:
        preds["angle"] = (preds["angle"] - 0.25) * np.pi
    return {**preds, "scores": Ready(preds["scores"]), "feats": grids["scores"]}


def predictor_of(metadata: ModelMetadata, *, native: bool) -> Any:
    """Return ultralytics' predictor, as far as it makes results of what NMS leaves."""
    kinds = {"detect": DetectionPredictor, "segment": SegmentationPredictor, "pose": PosePredictor, "obb": OBBPredictor}
    made = object.__new__(kinds[metadata.task])
    made.model = SimpleNamespace(names=dict(enumerate(metadata.names)), kpt_shape=(len(metadata.keypoints), 3))
    made.args = SimpleNamespace(retina_masks=native)
    return made


def ultralytics(
    outputs: Arrays, metadata: ModelMetadata, source: tuple[int, int], *, native: bool = True
) -> Callable[[], Any]:
    """Return what ultralytics does after its convolutions."""
    head, grids, size = head_of(metadata), grids_of(outputs, metadata), metadata.imgsz
    turned, predictor = metadata.task == "obb", predictor_of(metadata, native=native)
    laid, image = torch.empty(1, 3, *size), np.empty((*source, 3), np.uint8)
    proto = [torch.from_numpy(outputs[-1])[0]] if metadata.task == "segment" else []

    def run() -> Any:
        with torch.inference_mode():
            decoded = head._inference(preds_of(grids))
            found = non_max_suppression(decoded, CONF, IOU, max_det=MAX_DET, nc=len(metadata.names), rotated=turned)[0]
            result = predictor.construct_result(found, laid, image, "", *proto)
            return (result.obb.xyxyxyxy, result.obb.xyxy) if turned else (result.boxes.data, result)

    return run


def _ignoring_the_round(run: Callable[[Any], Any], outputs: Any, _: int) -> Any:
    return run(outputs)


def measure(metadata: ModelMetadata, scene: Scene, frames: str, rounds: int) -> None:
    """Compare on one scene, and print."""
    task, thresholds = task_of(metadata), Thresholds(CONF, IOU, MAX_DET)
    name, outputs, placed = scene
    quantized = [int8(array) for array in outputs]

    def ours(of: Any) -> Any:
        return task.decode(of, metadata, thresholds, placed)

    theirs = ultralytics(outputs, metadata, placed.source)
    rows: dict[str, Callable[[int], object]] = {
        "yolorknn": functools.partial(_ignoring_the_round, ours, outputs),
        "yolorknn, int8": functools.partial(_ignoring_the_round, ours, quantized),
        "ultralytics": lambda _: theirs(),
    }
    if metadata.task == "segment":
        smaller = ultralytics(outputs, metadata, placed.source, native=False)
        rows["ultralytics, at the model's size"] = lambda _: smaller()
    counts = f"{len(ours(outputs))} objects, {len(theirs()[0])} by ultralytics"
    title = f"{frames}: {metadata.task}, {name} ({placed.source[1]}x{placed.source[0]}): {counts}"
    show(title, compare(rows, rounds=rounds, repeats=REPEATS))


def main() -> None:
    """Compare, and print."""
    parser = arguments(__doc__, rounds=30)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", nargs="*", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    metadata, scenes = record(given.model, given.images)
    if not scenes:
        placed = letterbox(read_image(DEMO_IMAGES / "0000.jpg"), metadata.imgsz)[1]
        scenes.append(Scene("made-up scene", task_of(metadata).scene(metadata), placed))
    for frames, shape in FRAMES.items():
        np.zeros(shape, np.uint8)
        for scene in scenes:
            measure(metadata, scene, frames, given.rounds)


if __name__ == "__main__":
    main()
