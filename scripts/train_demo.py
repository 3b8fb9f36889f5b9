"""Train a demo model on rendered scenes: python scripts/train_demo.py [--task segment] [--evaluate].

models/demo.pt is trained from nothing, in about an hour on two CPU cores; those of the other tasks begin with its
weights and take about ten minutes each. --evaluate only measures, on 300 scenes that no run has trained on.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import render_scenes
import ultralytics
from render_scenes import TASKS, TaskName
from ultralytics import YOLO
from ultralytics.utils import YAML

ROOT = Path(__file__).resolve().parent.parent
SEEDS = {"train": 1, "val": 2, "test": 3}  # dataset/ is seed 7
COUNTS = {"val": 40, "test": 300}


@dataclass(frozen=True)
class Training:
    """How a task's model is trained."""

    model: str
    config: str
    """ultralytics' network."""
    scenes: int
    imgsz: int
    stages: tuple[dict[str, Any], ...]
    """One after the other: what ultralytics' train is given besides what all are."""


SHORT = {"nbs": 16, "warmup_epochs": 1.0, "warmup_bias_lr": 0.0}
"""For few epochs, over weights that are good already."""
TRAININGS: dict[TaskName, Training] = {
    "detect": Training("demo.pt", "yolov8.yaml", 3000, 320, ({"epochs": 36},)),
    "segment": Training(
        "demo-seg.pt",
        "yolov8-seg.yaml",
        1200,
        320,
        ({**SHORT, "epochs": 6, "freeze": [*range(22), "22.cv2", "22.cv3"]},),
    ),
    "pose": Training(
        "demo-pose.pt",
        "yolov8-pose.yaml",
        1000,
        256,
        ({**SHORT, "epochs": 8, "freeze": 10}, {**SHORT, "epochs": 10, "freeze": 5}),
    ),
    "obb": Training("demo-obb.pt", "yolov8-obb.yaml", 1000, 256, ({**SHORT, "epochs": 6, "freeze": 10},)),
    "classify": Training("demo-cls.pt", "yolov8-cls.yaml", 1500, 128, ({**SHORT, "epochs": 6},)),
}
WIDTH = 0.125
"""Of YOLOv8's channels; YOLOv8n has 0.25."""


def make_sets(folder: Path, task: TaskName, *splits: str) -> Path:
    """Render these splits; return what ultralytics takes for `data`."""
    for split in splits:
        count = COUNTS.get(split, TRAININGS[task].scenes)
        done = list(render_scenes.write(folder / split, count=count, seed=SEEDS[split], task=task))
        print(f"rendered {len(done)} {split} scenes in {folder / split}", flush=True)
    if task == "classify":
        return folder
    text = render_scenes.describe(task, train="train/images", val="val/images")
    (folder / "data.yaml").write_text(f"path: {folder}\ntest: test/images\n{text}")
    return folder / "data.yaml"


def network(folder: Path, task: TaskName) -> YOLO:
    """Return the demo's narrow network of a task; with the weights of models/demo.pt, where they fit."""
    training = TRAININGS[task]
    stock = YAML.load(Path(ultralytics.__file__).parent / "cfg/models/v8" / training.config)
    del stock["scales"]
    count = len(render_scenes.names_of(task))
    path = folder / training.config.replace("yolov8", "yolov8-demo")
    YAML.save(path, {**stock, "nc": count, "depth_multiple": 0.33, "width_multiple": WIDTH})
    model = YOLO(path, task=task)
    return model if task == "detect" else model.load(ROOT / "models/demo.pt")


def train(folder: Path, task: TaskName, output: Path) -> None:
    """Train a task's model."""
    training = TRAININGS[task]
    data = make_sets(folder, task, "train", "val")
    model = network(folder, task)
    for number, stage in enumerate(training.stages):
        model.train(
            data=data,
            imgsz=training.imgsz,
            batch=16,
            seed=0,
            deterministic=True,
            device="cpu",
            workers=0,
            cache="ram",
            optimizer="AdamW",
            lr0=0.002,
            cos_lr=True,
            mosaic=0.0,
            scale=0.3,
            hsv_h=0.3,
            plots=False,
            val=False,
            project=str(folder),
            name=f"stage{number}",
            **stage,
        )
        shutil.copyfile(folder / f"stage{number}/weights/last.pt", output)
        model = YOLO(output)


def evaluate(folder: Path, task: TaskName, model: Path) -> str:
    """Return what a model reaches on scenes that it has not seen, by ultralytics' own val."""
    data = make_sets(folder, task, "test")
    if task == "classify":
        (folder / "train").symlink_to("test")  # which ultralytics asks for, and does not look into
    options = {"imgsz": TRAININGS[task].imgsz, "workers": 0, "plots": False, "project": str(folder)}
    metrics = YOLO(model).val(data=data, split="test", **options)
    return "  ".join(f"{name} {value:.3f}" for name, value in metrics.results_dict.items())


def main() -> None:
    """Parse, render, train or evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, default="detect")
    parser.add_argument("--evaluate", action="store_true", help="measure the model in models/ instead of training it")
    options = parser.parse_args()
    model = ROOT / "models" / TRAININGS[options.task].model
    with tempfile.TemporaryDirectory() as scratch:
        if options.evaluate:
            print(evaluate(Path(scratch), options.task, model))
            return
        train(Path(scratch), options.task, model)
    print(f"wrote {model}")


if __name__ == "__main__":
    main()
