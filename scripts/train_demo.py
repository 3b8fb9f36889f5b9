"""Train the demo model on rendered scenes and write models/demo.pt: python scripts/train_demo.py [--evaluate].

About an hour on two CPU cores. --evaluate only measures models/demo.pt on 300 scenes that no run has trained on.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import render_scenes
import ultralytics
from ultralytics import YOLO
from ultralytics.utils import YAML

ROOT = Path(__file__).resolve().parent.parent
SEEDS = {"train": 1, "val": 2, "test": 3}  # dataset/ is seed 7


def make_set(folder: Path, split: str, count: int) -> None:
    """Render one split and say where it is."""
    done = list(render_scenes.write(folder / split, count=count, seed=SEEDS[split]))
    print(f"rendered {len(done)} {split} scenes in {folder / split}", flush=True)


def main() -> None:
    """Parse, render, train or evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluate", action="store_true", help="measure models/demo.pt instead of training")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--width", type=float, default=0.125, help="channel multiple; YOLOv8n is 0.25")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = folder / "data.yaml"
        splits = {split: f"{split}/images" for split in SEEDS}
        YAML.save(data, {"path": scratch, **splits, "names": dict(enumerate(render_scenes.NAMES))})
        make_set(folder, "test", 300)
        if options.evaluate:
            metrics = YOLO(ROOT / "models/demo.pt").val(
                data=data, split="test", imgsz=320, workers=0, plots=False, project=scratch
            )
            print(f"mAP50-95 {metrics.box.map:.3f}  mAP50 {metrics.box.map50:.3f}")
            return
        make_set(folder, "train", options.scenes)
        make_set(folder, "val", 200)
        stock = YAML.load(Path(ultralytics.__file__).parent / "cfg/models/v8/yolov8.yaml")
        del stock["scales"]
        architecture = folder / "yolov8-demo.yaml"
        YAML.save(
            architecture,
            {**stock, "nc": len(render_scenes.NAMES), "depth_multiple": 0.33, "width_multiple": options.width},
        )
        model = YOLO(architecture)
        model.train(
            data=data,
            imgsz=320,
            epochs=options.epochs,
            batch=16,
            seed=0,
            deterministic=True,
            device="cpu",
            cache="ram",
            optimizer="AdamW",
            lr0=0.002,
            cos_lr=True,
            mosaic=0.0,
            scale=0.3,
            hsv_h=0.3,
            plots=False,
            val=False,
            project=scratch,
            name="run",
        )
        shutil.copyfile(folder / "run/weights/last.pt", ROOT / "models/demo.pt")
    print(f"wrote {ROOT / 'models/demo.pt'}")


if __name__ == "__main__":
    main()
