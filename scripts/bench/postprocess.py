"""Time our post-processing beside ultralytics' own decode and NMS, in one process, on real head tensors.

    .venv/bin/python scripts/bench/postprocess.py [MODEL.onnx] [IMAGE ...]

One thread; each image at a detector's and at val's threshold; five calls in a row in each round. The tensors are
recorded in another process; in this one frames come and go, of 1280x720 and then of 1920x1080, which changes what
ultralytics takes: see recorded.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from beside import DEMO_IMAGES, DEMO_ONNX, arguments, compare, show
from numpy.typing import NDArray
from recorded import FRAMES, record
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.tal import dist2bbox, make_anchors

from yolorknn.model.values import Quantized
from yolorknn.tasks.boxes import postprocess, scales_of
from yolorknn.tasks.task import Thresholds

REPEATS = 5


def ultralytics(outputs: Sequence[NDArray[np.float32]], strides: list[int], conf: float) -> Callable[[], Any]:
    """Return what ultralytics does after its convolutions: concatenate, DFL, boxes, NMS."""
    box, cls = ([torch.from_numpy(array) for array in outputs[start::2]] for start in (0, 1))
    anchors, scale = (table.T for table in make_anchors(box, torch.tensor(strides, dtype=torch.float32)))
    bins = torch.arange(box[0].shape[1] // 4, dtype=torch.float32).view(1, -1, 1, 1)

    def run() -> Any:
        logits = torch.cat([array.flatten(2) for array in box], 2)
        scores = torch.cat([array.flatten(2) for array in cls], 2)
        sides = (logits.view(1, 4, len(bins[0]), -1).transpose(2, 1).softmax(1) * bins).sum(1)
        boxes = dist2bbox(sides, anchors.unsqueeze(0), xywh=True, dim=1) * scale
        return non_max_suppression(torch.cat([boxes, scores], 1), conf, 0.7, max_det=300)[0]

    return run


def int8(array: Any) -> Quantized:
    """Quantize an output by its own range, as the toolkit does."""
    least, most = min(0.0, float(array.min())), max(0.0, float(array.max()))
    scale = float(np.float32((most - least) / 255))
    zero_point = round(-128 - least / scale)
    return Quantized(np.clip(np.rint(array / scale) + zero_point, -128, 127).astype(np.int8), scale, zero_point)


def _ignoring_the_round(run: Callable[[Any], Any], outputs: Any, _: int) -> Any:
    return run(outputs)


def main() -> None:
    """Compare, and print."""
    parser = arguments(__doc__, rounds=60)
    parser.add_argument("model", nargs="?", type=Path, default=DEMO_ONNX)
    parser.add_argument("images", nargs="*", type=Path, default=sorted(DEMO_IMAGES.glob("*.jpg"))[:3])
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    metadata, scenes = record(given.model, given.images)
    strides = [scale.stride for scale in scales_of(metadata.outputs)]
    for frames, shape in FRAMES.items():
        np.zeros(shape, np.uint8)
        for image, outputs, _ in scenes:
            quantized = [int8(array) for array in outputs]
            for conf in (0.25, 0.003):

                def ours(outputs: Any = outputs, conf: float = conf) -> Any:
                    return postprocess(outputs, metadata, Thresholds(conf=conf, iou=0.7, max_det=300))

                theirs = ultralytics(outputs, strides, conf)
                what: dict[str, Callable[[int], object]] = {
                    "yolorknn": functools.partial(_ignoring_the_round, ours, outputs),
                    "yolorknn, int8": functools.partial(_ignoring_the_round, ours, quantized),
                    "ultralytics": functools.partial(_ignoring_the_round, lambda run: run(), theirs),
                }
                candidates = sum(
                    int((outputs[scale.cls].max(axis=1) > conf).sum()) for scale in scales_of(metadata.outputs)
                )
                title = f"{frames}: {image} at conf {conf}: {candidates} candidates, {len(ours().confidence)} boxes"
                show(title, compare(what, rounds=given.rounds, repeats=REPEATS))


if __name__ == "__main__":
    main()
