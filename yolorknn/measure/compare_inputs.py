"""What a comparison runs on: files that are given, the calibration set, or numbers made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.normal import Normal, normal_of
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.input_files import Scaling, laid_picture, made_up, read_input, read_inputs
from yolorknn.errors import CalibrationError
from yolorknn.image import IMAGE_SUFFIXES, read_image
from yolorknn.model.metadata import Tensor
from yolorknn.progress import Progress
from yolorknn.runtime.laid import FLOATS, laid

Arrays: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Inputs:
    """Inputs as a .rknn takes them."""

    sets: list[Arrays]
    told: str
    normal: Normal


def inputs_of(
    request: BuildRequest,
    own: Sequence[Tensor],
    texts: Sequence[str],
    *,
    scaling: Scaling | None,
    count: int,
    progress: Progress | None,
) -> Inputs:
    """Return what to run on.

    Args:
        request: by which the model is built, with its calibration set.
        own: the model's inputs.
        texts: files that are given, see data.input_files; of a detector pictures, which are letterboxed.
        scaling: of pictures among these.
        count: how many of the calibration set.
        progress: told the stages.

    Raises:
        InputError, SourceError: they are not the model's, or cannot be read.
        CalibrationError: the calibration set cannot be read, or a detector has neither it nor a picture.
    """
    with planned(request, progress=progress) as plan:
        normal = _normal(plan, own)
        if texts and plan.metadata is not None and _are_pictures(texts):
            paths = [Path(text.removeprefix(f"{own[0].name}=")) for text in texts]
            sets = [{own[0].name: laid_picture(read_image(path), plan.metadata)} for path in paths]
            return Inputs(sets, ", ".join(texts), normal)
        if texts:
            return Inputs([_whole(read_inputs(texts, own, scaling=scaling), own)], ", ".join(texts), normal)
        if plan.calibration is not None:
            lines = plan.calibration.read_text(encoding="utf-8").splitlines()[:count]
            sets = [_line(plan.calibration.parent, line.split(), own) for line in lines]
            return Inputs(sets, f"the first {len(sets)} of {plan.build.dataset}", normal)
        if plan.metadata is not None:
            raise CalibrationError("the model is built without calibration images: pass pictures with --input")
    rng = np.random.default_rng(0)
    sets = [{tensor.name: _made_up(tensor, rng, normal) for tensor in own} for _ in range(count)]
    return Inputs(sets, f"{count} inputs of random numbers, as there are no others: pass --input", normal)


def _whole(arrays: Arrays, own: Sequence[Tensor]) -> Arrays:
    """Return arrays in the model's own shape."""
    known = {tensor.name: tensor for tensor in own}
    return {name: laid(array, known[name], known[name]) if name in known else array for name, array in arrays.items()}


def _are_pictures(texts: Sequence[str]) -> bool:
    return all(Path(text).suffix.lower() in IMAGE_SUFFIXES for text in texts)


def _line(folder: Path, names: Sequence[str], own: Sequence[Tensor]) -> Arrays:
    return {tensor.name: read_input(folder / name, tensor) for name, tensor in zip(names, own, strict=False)}


def _normal(plan: BuildPlan, own: Sequence[Tensor]) -> Normal:
    if plan.metadata is not None:
        channels = plan.metadata.channels
        return Normal({own[0].name: (plan.metadata.mean[:channels], plan.metadata.std[:channels])})
    return normal_of(plan.options.config, own)


def _made_up(tensor: Tensor, rng: np.random.Generator, normal: Normal) -> NDArray[Any]:
    array = made_up(tensor, rng)
    if tensor.name in normal.values and tensor.dtype in FLOATS:
        mean, std = normal.shaped(tensor.name, array.ndim)
        array = array * std + mean
    return array
