"""A checkpoint of every family, with random weights and enough signal in them to tell right from wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import DATASET
from yolorknn.convert.export.export import sample
from yolorknn.image import read_image
from yolorknn.tasks.known import TASKS

IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:6]
CONFIDENT = 0.02
"""Part of the (anchor, class) pairs that shall have a score above 0.5."""


def make_checkpoint(config: str, folder: Path, *, names: tuple[str, ...], imgsz: int, narrower: int = 1) -> Path:
    """Write NAME.pt: ultralytics' own network of any task, seeded random weights, each layer of a part of its channels.

    A fresh network says the same everywhere. Three things make it speak: the batch norms take the statistics of
    rendered images (and of what export() compares on), so that activations keep their variance through all layers, and
    shift them to where SiLU is nearly straight, as else a deep random network amplifies rounding errors a thousandfold;
    the last convolutions for boxes and for what a task has besides are scaled up, so that they differ; those for
    classes are scaled and shifted until CONFIDENT of the scores are above 0.5. The one-to-one branch of an end-to-end
    head, at first a copy, gets weights of its own, so that it shows which one is used.
    """
    import torch
    from ultralytics import YOLO

    torch.manual_seed(len(config) + sum(config.encode()))
    yolo = YOLO(config if narrower == 1 else _narrowed(config, folder, narrower))
    model = type(yolo.model)(yolo.model.yaml, nc=len(names), verbose=False)
    model.names = dict(enumerate(names))
    model.args = yolo.model.args
    model.task = yolo.task
    head = model.model[-1]
    branches = [""]
    if getattr(head, "one2one_cv2", None) is not None:
        branches.append("one2one_")
        for name, parts in head.named_children():
            for module in parts.modules() if name.startswith("one2one_") else ():
                if isinstance(module, torch.nn.Conv2d):
                    module.reset_parameters()
    laid = [_laid(path, imgsz, model.task) for path in IMAGES]
    images = torch.from_numpy(np.stack(laid)).float() / 255
    images = torch.cat([images, torch.from_numpy(sample(imgsz=(imgsz, imgsz)))])
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the average of all batches
                module.reset_running_stats()
                module.bias.fill_(1.0)
        model.train()
        model(images)
        model.eval()
        features: list[Any] = []
        hook = head.register_forward_pre_hook(lambda _, arguments: features.extend(arguments[0]))
        shown = model(images)
        hook.remove()
        if model.task == "classify":
            head.linear.weight.mul_(2.5 / shown[1].std())
        for prefix in branches if model.task != "classify" else ():
            boxes, classes = getattr(head, f"{prefix}cv2"), getattr(head, f"{prefix}cv3")
            others: Any = getattr(head, f"{prefix}cv4", None)
            points: Any = getattr(head, f"{prefix}cv4_kpts", None)
            for number, feature in enumerate(features):
                box, cls = boxes[number], classes[number]
                _spread(box[-1], box(feature), std=1.0 if head.reg_max == 1 else 2.0, level=2.0, share=0.5)
                _spread(cls[-1], cls(feature), std=1.5, level=0.0, share=1 - CONFIDENT)
                if others is not None:
                    last = others[number][-1] if points is None else points[number]
                    values = others[number](feature) if points is None else last(others[number](feature))
                    _spread(last, values, std=1.0, level=0.0, share=0.5)
    yolo.model = model
    path = folder / f"{Path(config).stem}.pt"
    yolo.save(path)
    return path


def _laid(path: Path, imgsz: int, task: str) -> Any:
    canvas = TASKS[task].canvas((imgsz, imgsz))
    canvas.fill(read_image(path))
    return canvas.pixels.transpose(2, 0, 1)


def _spread(conv: Any, values: Any, *, std: float, level: float, share: float) -> None:
    """Scale and shift a last convolution until its outputs have `std`, and `share` of each channel is below `level`.

    The former for all that it is shown, the latter for the rendered images alone, which are compared on.
    """
    scale = std / values.transpose(0, 1).flatten(1).std(dim=1).clamp(min=1e-6)
    conv.weight.mul_(scale[:, None, None, None])
    flat = values[: len(IMAGES)].transpose(0, 1).flatten(1)
    middle = (flat - conv.bias[:, None]).mul(scale[:, None]).quantile(share, dim=1)
    conv.bias.copy_(level - middle)


def _narrowed(config: str, folder: Path, narrower: int) -> Path:
    """Write the configuration of a network without sizes, in which numbers from 64 on are channels, with fewer."""
    from ultralytics.nn.tasks import yaml_model_load
    from ultralytics.utils import YAML

    def fewer(value: Any) -> Any:
        if isinstance(value, list):
            return [fewer(item) for item in value]
        return value // narrower if isinstance(value, int) and value >= 64 else value

    network = yaml_model_load(config)
    path = folder / config
    YAML.save(path, {"nc": network["nc"], **{part: fewer(network[part]) for part in ("backbone", "head")}})
    return path
