"""Time our post-processing beside ultralytics' own decode and NMS, in one process, on real head tensors.

    .venv/bin/python scripts/bench/postprocess.py [MODEL.onnx] [IMAGE ...]

One thread; each round runs both five times in a row; medians over the rounds, and their ratio.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.tal import dist2bbox, make_anchors

from yolorknn.image import letterbox, read_image
from yolorknn.runtime.ort import OrtBackend
from yolorknn.tasks.detect import postprocess

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, REPEATS = 60, 5


def theirs(outputs: list[np.ndarray], strides: list[int], conf: float) -> Callable[[], Any]:
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


def microseconds(function: Callable[[], Any]) -> float:
    """Time REPEATS calls."""
    start = time.perf_counter()
    for _ in range(REPEATS):
        function()
    return (time.perf_counter() - start) / REPEATS * 1e6


def main() -> None:
    """Compare on each image, at a detector's and at val's threshold."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "models/demo.onnx"
    images = [Path(name) for name in sys.argv[2:]] or sorted((ROOT / "dataset/images").glob("*.jpg"))[:3]
    backend = OrtBackend(model)
    metadata = backend.metadata
    strides = [scale.stride for scale in metadata.scales]
    print(
        f"{'image':>20} {'conf':>6} {'candidates':>10} {'boxes':>6} {'ours us':>8} {'ultralytics us':>14} {'ratio':>6}"
    )
    for image in images:
        outputs = backend.infer(letterbox(read_image(image), metadata.imgsz)[0])
        for conf in (0.25, 0.003):

            def ours(outputs: Any = outputs, conf: float = conf) -> Any:
                return postprocess(outputs, metadata, conf=conf, iou=0.7, max_det=300)

            other = theirs(outputs, strides, conf)
            times = [(microseconds(ours), microseconds(other)) for _ in range(ROUNDS)]
            mine, its = (statistics.median(column) for column in zip(*times, strict=True))
            candidates = sum(int((outputs[scale.cls].max(axis=1) > conf).sum()) for scale in metadata.scales)
            row = f"{image.name:>20} {conf:>6} {candidates:>10} {len(ours().confidence):>6}"
            print(f"{row} {mine:>8.0f} {its:>12.0f} {its / mine:>9.1f}")


if __name__ == "__main__":
    main()
