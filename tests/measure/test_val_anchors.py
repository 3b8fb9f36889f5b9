"""val of a head with anchor boxes whose sizes are given: what the published formula finds is the truth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import needs_ort, needs_torch
from tests.fakes import other_networks
from tests.fakes.other_networks import IMGSZ, anchored, shown
from tests.tasks.others import kept_by_brute_force, run
from tests.tasks.test_anchor_heads import ANCHORS, by_the_formula
from yolorknn.cli.app import app
from yolorknn.errors import MetadataError

pytest.importorskip("pycocotools", reason="needs yolorknn[val]")
pytestmark = [needs_torch, needs_ort]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zoo") / "v5.onnx"
    return other_networks.write(path, anchored(1), names=["a", "b", "c"])


@pytest.fixture(scope="module")
def data(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of the input's size, and as labels what is to be found in them."""
    folder = tmp_path_factory.mktemp("labelled")
    height, width = IMGSZ
    for place in ("images", "labels"):
        (folder / place).mkdir()
    for number, pixels in enumerate(shown()):
        image = (pixels.transpose(1, 2, 0) * 255).round().astype(np.uint8)
        cv2.imwrite(str(folder / f"images/{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        boxes = kept_by_brute_force(by_the_formula(run(zoo, pixels), ANCHORS, 0.3), iou=0.7)  # that of val
        assert len(boxes) > 3
        rows = []
        for class_id, _, corners in boxes:
            x1, y1, x2, y2 = np.clip(np.array(corners) / [width, height, width, height], 0, 1).tolist()
            rows.append(f"{class_id} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n")
        (folder / f"labels/{number}.txt").write_text("".join(rows))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames: [thing]\n")
    return folder / "data.yaml"


def map50(zoo: Path, data: Path, *options: str) -> float:
    kept = data.parent / "kept"
    words = ["val", str(zoo), "--data", str(data), "--output", str(kept), "--json", *options]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    (said,) = json.loads(done.stdout)
    return float(said["map50"])


def test_the_sizes_that_are_given_are_measured_with(zoo: Path, data: Path) -> None:
    given = data.with_name("RK_anchors.txt")
    given.write_text("".join(f"{size}\n" for size in ANCHORS))
    right = map50(zoo, data, "--anchors", str(given))
    assert right > 0.95
    assert map50(zoo, data, "--anchors", "yolov7") < right / 2, "what was kept is not that of other sizes"
    assert map50(zoo, data, "--anchors", str(given)) == right
    beside = zoo.with_name("RK_anchors.txt")
    for sizes, same in ((ANCHORS, True), ([2 * size for size in ANCHORS], False)):
        beside.write_text("".join(f"{size}\n" for size in sizes))
        assert (map50(zoo, data) == right) == same, "of the sizes that stand beside the model now"
    beside.unlink()
    given.unlink()
    with pytest.raises(MetadataError, match="whose sizes are not in the file"):
        map50(zoo, data)
