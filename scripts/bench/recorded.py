"""Outputs of a model for images, recorded in another process, so that the one that is measured has no onnxruntime.

How long ultralytics takes depends on what its process did before: it needs 20 MB for each call, which glibc gives back
to the system each time until a piece larger than the largest of it, 4.8 MB, was freed once (mallopt(3), on the dynamic
threshold). Frames of 1280x720 are smaller; those of 1920x1080 are not, nor is what onnxruntime frees.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.image import Letterbox, letterbox, read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import open_model

Arrays = Sequence[NDArray[np.float32]]


FRAMES = {"frames of 1280x720": (720, 1280, 3), "frames of 1920x1080": (1080, 1920, 3)}
"""Of which one came and went before what is measured; the smaller first, as nothing is forgotten."""


class Scene(NamedTuple):
    """What a model gave for an image."""

    name: str
    outputs: Arrays
    placed: Letterbox


def record(model: Path, images: Sequence[Path]) -> tuple[ModelMetadata, list[Scene]]:
    """Return what a model says of itself, and gives for each image."""
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            metadata, placed = pool.submit(_record, model, images, Path(folder)).result()
        scenes = []
        for number, image in enumerate(images):
            with np.load(Path(folder, f"{number}.npz")) as file:  # one after the other: no large piece is freed
                scenes.append(Scene(image.name, [file[name] for name in file.files], placed[number]))
    return metadata, scenes


def _record(model: Path, images: Sequence[Path], folder: Path) -> tuple[ModelMetadata, list[Letterbox]]:
    metadata, (backend,) = open_model(model)
    every = []
    for number, image in enumerate(images):
        laid, placed = letterbox(read_image(image), metadata.imgsz)
        np.savez(folder / f"{number}.npz", *backend.infer(laid))
        every.append(placed)
    return metadata, every
