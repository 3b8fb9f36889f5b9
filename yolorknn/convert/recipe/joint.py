"""Outputs whose values one scale of int8 does not hold well enough: they stay in float16."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.errors import BuildError
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import Platform

JOINT = frozenset({"yolox"})
"""Roles of outputs with boxes as they are beside scores: in one scale, scores would have steps of some hundredths."""
WAYS = frozenset({"keypoints"})
"""Of those with the ways to keypoints: as wide as the longest limb asks for, a step is two pixels of a large object."""

_logger = logging.getLogger(__name__)


def with_own_float16(
    options: BuildOptions, metadata: ModelMetadata, chip: Platform, *, by_default: bool
) -> BuildOptions:
    """Return the options of an int8 build with such outputs among the float16 layers.

    Where the toolkit chooses these itself, or the chip runs none, they are as they were; that scores suffer is told.

    Args:
        options: of the build, settled.
        metadata: of the model.
        chip: to build for.
        by_default: whether nobody chose how ranges are measured; keypoints stay in float16 only then.
    """
    if options.auto_hybrid:
        return options
    roles = JOINT | WAYS if by_default and options.algorithm == "mean" else JOINT
    own = [output for output in metadata.outputs if output.role in roles and output.name not in options.float16]
    if "fp16" in chip.dtypes:
        return replace(options, float16=(*options.float16, *(output.name for output in own)))
    tell_joint(metadata, f"{chip.name} runs")
    return options


def tell_joint(metadata: ModelMetadata, who: str) -> None:
    """Warn of outputs whose scores suffer, where `who`, as "rv1106 runs", no float16."""
    if any(output.role in JOINT for output in metadata.outputs):
        _logger.warning("%s no float16, so that boxes and scores share a scale of int8: expect rougher scores", who)


def check_keypoints(options: BuildOptions, metadata: ModelMetadata, model: Path, *, first: bool = False) -> None:
    """Refuse int8 of keypoints that are decoded in the graph, unless layers are kept in float16.

    Args:
        options: of the build.
        metadata: of the model.
        model: its file, for messages.
        first: whether it is for a chip of the first generation, for which none are.

    Raises:
        BuildError: in one scale of pixels every visibility would be 0.
    """
    if metadata.outputs[-1].role == "points" and not (options.custom_hybrid or options.float16 or options.auto_hybrid):
        spans = "" if first else " give the zoo's spans as custom_hybrid in --config,"
        raise BuildError(
            f"{model} in int8 would lose its keypoints, as pixels and visibilities share one scale: export the .pt "
            f"with 'yolorknn export',{spans} or build with --dtype fp16"
        )
