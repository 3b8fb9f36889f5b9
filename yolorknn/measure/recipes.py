"""The recipes that the gate tries, from cheap to dear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.tables.layers import LayerError, lossy

WORST = (10, 30)
"""How many of the worst layers are kept in float16."""


class Recipe(NamedTuple):
    """One way to build int8."""

    name: str
    options: BuildOptions
    few: bool = True
    """Whether few of the calibration images will do, or all are taken; see CalibrationSets."""


def recipes(
    compare: Callable[[], Sequence[LayerError]],
    *,
    attention: tuple[tuple[str, str], ...],
    offsets: tuple[str, ...] = (),
    more: bool,
    float16: bool,
    mmse: bool,
) -> Iterator[Recipe]:
    """Yield recipes: first those that cost no speed, then those that keep layers in float16.

    Args:
        compare: asked once, late, for what each layer loses.
        attention: the model's, see attention_blocks().
        offsets: of a pose, the outputs with the ways to the keypoints, to whose pixels int8's steps add up.
        more: whether there are more images to calibrate with than few.
        float16: whether the chip runs float16 layers.
        mmse: try mmse at the end; it takes a hundred times as long.
    """
    yield Recipe("mean", BuildOptions(algorithm="mean"))
    if more:
        yield Recipe("mean, more images", BuildOptions(algorithm="mean"), few=False)
    yield Recipe("normal", BuildOptions(algorithm="normal"))
    yield Recipe("kl_divergence", BuildOptions(algorithm="kl_divergence"))
    if float16 and offsets:
        yield Recipe("mean, offsets float16", BuildOptions(algorithm="mean", float16=offsets))
    if float16 and attention:
        yield Recipe("mean, attention float16", BuildOptions(algorithm="mean", custom_hybrid=attention))
    if float16:
        worst = lossy(compare())
        for count in WORST:
            options = BuildOptions(algorithm="mean", float16=tuple(worst[:count]))
            yield Recipe(f"mean, {count} layers float16", options)
        yield Recipe("auto_hybrid", BuildOptions(algorithm="normal", auto_hybrid=True))
    if mmse:
        yield Recipe("mmse", BuildOptions(algorithm="mmse"))
