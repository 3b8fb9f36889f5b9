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
    if any(output.role in JOINT for output in own):
        _logger.warning(
            "%s runs no float16, so that boxes and scores share a scale of int8: expect rougher scores", chip.name
        )
    return options


def check_keypoints(options: BuildOptions, metadata: ModelMetadata, model: Path) -> None:
    """Refuse int8 of keypoints that are decoded in the graph, unless layers are kept in float16.

    Raises:
        BuildError: in one scale of pixels every visibility would be 0.
    """
    if metadata.outputs[-1].role == "points" and not (options.custom_hybrid or options.float16 or options.auto_hybrid):
        raise BuildError(
            f"{model} in int8 would lose its keypoints, as pixels and visibilities share one scale: export the .pt "
            "with 'yolorknn export', give the zoo's spans as custom_hybrid in --config, or build with --dtype fp16"
        )
