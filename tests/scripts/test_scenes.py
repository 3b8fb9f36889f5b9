"""scripts/render_scenes.py: what a label says of an object is what the picture shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import render_scenes
from render_scenes import TaskName, Thing, render

from tests.conftest import DATASET, ROOT
from yolorknn.data.class_folder import ClassFolder
from yolorknn.data.dataset import Dataset
from yolorknn.data.labels import Labels, labels
from yolorknn.image import Image, read_image

TASKS: tuple[TaskName, ...] = get_args(TaskName)


def scenes(task: TaskName, count: int = 6) -> list[tuple[Image, list[Thing]]]:
    found = [render(5, index, task) for index in range(count)]
    assert sum(len(things) for _, things in found) >= count
    return found


def read(task: TaskName, folder: Path) -> list[tuple[list[Thing], Labels, tuple[int, int]]]:
    """Scenes, and their labels as yolorknn reads them."""
    written = list(render_scenes.write(folder, count=6, seed=5, task=task))
    result = []
    for index, path in enumerate(written):
        image, things = render(5, index, task)
        found = labels(path, classes=6, keypoints=(17, 3) if task == "pose" else None)
        assert found is not None and len(found.boxes) == len(things)
        result.append((things, found, (image.shape[1], image.shape[0])))
    return result


def test_the_demo_images_are_made_again() -> None:
    for path in sorted((DATASET / "images").glob("*.jpg"))[:4]:
        image, things = render(7, int(path.stem))
        assert np.abs(image.astype(int) - read_image(path)).mean() < 10, "but for what a JPEG loses"
        size = image.shape[1], image.shape[0]
        lines = [render_scenes.label(thing, "detect", size) for thing in things]
        assert lines == (DATASET / "labels" / f"{path.stem}.txt").read_text().splitlines()


def test_detect_and_segment_have_the_same_scenes() -> None:
    for (one, _), (other, _) in zip(scenes("segment", 3), scenes("detect", 3), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("task", ["detect", "pose"])
def test_a_box_is_that_of_the_mask(task: TaskName) -> None:
    for _, things in scenes(task):
        for thing in things:
            ys, xs = np.nonzero(thing.mask)
            around = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert np.abs(thing.box - around).max() <= 1, "less than half a pixel is no pixel of the mask"


def test_masks(tmp_path: Path) -> None:
    """Drawn as ultralytics draws a polygon, a label is the mask, its holes too, and lines between its parts."""
    holes = 0
    for things, found, size in read("segment", tmp_path):
        for thing, outline in zip(things, found.outlines, strict=True):
            assert outline is not None
            canvas = np.zeros(size[::-1], np.uint8)
            cv2.fillPoly(canvas, [(outline * size).astype(np.int32)], (1,))
            added, missing = (canvas > 0) & ~thing.mask, thing.mask & (canvas == 0)
            assert not missing.any() and added.sum() <= 0.02 * thing.mask.sum()
            holes += thing.class_id == render_scenes.NAMES.index("ring")
    assert holes


def test_corners(tmp_path: Path) -> None:
    """Of an object that nothing hides, they are as near to it as they can be, on all four sides."""
    whole = 0
    for things, found, size in read("obb", tmp_path):
        for thing, outline in zip(things, found.outlines, strict=True):
            assert outline is not None and np.abs(outline * size - thing.corners).max() < 0.01
            assert (thing.corners >= -0.5).all() and (thing.corners <= np.add(size, 0.5)).all()
            origin = thing.corners[0]
            across, down = thing.corners[1] - origin, thing.corners[3] - origin
            middles = np.stack(np.nonzero(thing.mask)[::-1], axis=1) + 0.5 - origin
            places = np.stack([middles @ side / np.linalg.norm(side) for side in (across, down)])
            sides = np.array([np.linalg.norm(across), np.linalg.norm(down)])
            gaps = np.concatenate([places.min(axis=1), sides - places.max(axis=1)])
            assert gaps.min() > -0.75, "all of it is inside"
            if gaps.max() < 3:
                whole += 1
    assert whole >= 10


def test_keypoints(tmp_path: Path) -> None:
    """A visible one is on its puppet, a hidden one on another, one beyond the image is not marked."""
    counts = np.zeros(3, int)
    for things, found, size in read("pose", tmp_path):
        for thing, row in zip(things, found.keypoints, strict=True):
            marks = thing.keypoints[:, 2]
            counts += [(marks == mark).sum() for mark in range(3)]
            assert np.abs((row[:, :2] * size - thing.keypoints[:, :2])[marks > 0]).max() < 0.01
            assert (row[:, 2] == marks).all() and not row[marks == 0].any()
            x, y = thing.keypoints[marks == 2, :2].astype(int).T
            near = cv2.dilate(thing.mask.astype(np.uint8), np.ones((3, 3)))
            assert near[y, x].all()
            x, y = thing.keypoints[marks == 1, :2].astype(int).T
            assert not cv2.erode(thing.mask.astype(np.uint8), np.ones((3, 3)))[y, x].any()
            beyond = thing.keypoints[marks == 0, :2]
            assert ((beyond < 0.5) | (beyond > np.array(size) - 0.5)).any(axis=1).all()
    assert (counts > 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_the_command_writes_what_val_reads(task: TaskName, tmp_path: Path) -> None:
    command = [sys.executable, "scripts/render_scenes.py", str(tmp_path), "--count", "3", "--seed", "5", "--task", task]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed == f"3 scenes in {tmp_path}\n"
    listed = (tmp_path / "dataset.txt").read_text().split()
    if task == "classify":
        images = ClassFolder.open(tmp_path)
        for path, class_id in zip(images.images, images.class_ids, strict=True):
            (thing,) = render(5, int(path.stem), task)[1]
            assert images.names[class_id] == render_scenes.NAMES[thing.class_id] and thing.mask.any()
        assert sorted(images.images) == sorted(tmp_path / line for line in listed)
    else:
        dataset = Dataset.open(tmp_path / "data.yaml").labelled()
        assert [tmp_path / line for line in listed] == list(dataset.images)
