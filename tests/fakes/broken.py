"""Made-up outputs of a model of each task that finds three objects, right or with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.model.metadata import Build, ModelMetadata, Output
from yolorknn.tasks.known import output_shapes

IMGSZ = (160, 192)
STRIDES = (8, 16, 32)
CELLS = ((4, 5), (5, 17), (14, 10))
"""Of stride 8, row and column."""
EXTRAS: dict[str, tuple[str, ...]] = {
    "detect": (),
    "segment": ("mask",),
    "pose": ("keypoints", "visibility"),
    "obb": ("angle",),
    "classify": (),
}


def facts(task: str) -> ModelMetadata:
    """Return the metadata of a model."""
    roles = ("box", "cls", *EXTRAS[task])
    outputs = [Output(f"{role}{stride}", role, stride) for stride in STRIDES for role in roles]
    if task == "segment":
        outputs.append(Output("proto4", "proto", 4))
    return ModelMetadata(
        names=("cat", "dog", "pig"),
        imgsz=(64, 64) if task == "classify" else IMGSZ,
        head="split",
        outputs=(Output("logits", "logits", 0),) if task == "classify" else tuple(outputs),
        reg_max=1,
        prototypes=2 * (task == "segment"),
        keypoints=("nose", "hand", "foot") if task == "pose" else (),
        task=task,
        build=Build("rk3588", "i8", "2.3.2"),
    )


def outputs_of(task: str) -> dict[str, NDArray[Any]]:
    """Return what the model says, by name: three objects, or that the image is a dog."""
    made = {name: np.zeros(shape, np.float32) for name, shape in output_shapes(facts(task)).items()}
    if task == "classify":
        made["logits"][0, :, 0, 0] = 0, 3, 1
        return made
    for number, (row, column) in enumerate(CELLS):
        said = {
            "box": (2, 2.5, 2, 2.5),
            "cls": np.eye(3)[number] * 0.8,
            "mask": (0.2, 1),
            "keypoints": (-1, 0.5, 1.5, -2, 0, 2),
            "visibility": (3, 4, 2),
            "angle": (0.3,),
        }
        for role in ("box", "cls", *EXTRAS[task]):
            made[f"{role}8"][0, :, row, column] = said[role]
    if task == "segment":
        made["proto4"][0, 0] = 1
        made["proto4"][0, 1] = np.sign(np.sin(np.arange(IMGSZ[1] // 4)))
    return made


Change = Callable[[NDArray[Any]], NDArray[Any]]

BROKEN: dict[str, tuple[str, str, Change]] = {
    "masks": ("segment", "mask8", lambda array: -array),
    "keypoints": ("pose", "keypoints8", lambda array: array[:, [1, 0, 3, 2, 5, 4]]),
    "visibilities": ("pose", "visibility8", lambda array: -array),
    "corners": ("obb", "angle8", lambda array: array - 0.11),
    "probabilities": ("classify", "logits", lambda array: array / 5),
}
"""What is wrong then: of a model of which task, in which output, and how."""


def broken(what: str) -> dict[str, NDArray[Any]]:
    """Return the outputs of BROKEN's task with that one thing wrong."""
    task, name, change = BROKEN[what]
    made = outputs_of(task)
    return {**made, name: np.ascontiguousarray(change(made[name]))}


class Saying:
    """A backend that says the same of every image."""

    def __init__(self, outputs: dict[str, NDArray[Any]]) -> None:
        self._outputs = list(outputs.values())

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the outputs."""
        return self._outputs

    def close(self) -> None:
        """Do nothing."""
