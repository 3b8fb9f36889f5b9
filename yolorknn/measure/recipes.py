"""The recipes that the gate tries, from cheap to dear, in rounds, whose recipes can be tried side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
) -> Iterator[Iterator[Recipe]]:
    """Yield rounds of recipes: those that cost no speed, then those that keep layers in float16.

    Args:
        compare: asked once, in the second round, for what each layer loses.
        attention: the model's, see attention_blocks().
        offsets: of a pose, the outputs with the ways to the keypoints, to whose pixels int8's steps add up.
        more: whether there are more images to calibrate with than few.
        float16: whether the chip runs float16 layers.
        mmse: try mmse at the end; it takes a hundred times as long.
    """
    yield _cheap(attention, offsets, more=more, float16=float16)
    yield _dear(compare, BuildOptions(algorithm="mean"), float16=float16, mmse=mmse)


def recipes_of_any(
    compare: Callable[[], Sequence[LayerError]], base: BuildOptions, *, float16: bool, mmse: bool
) -> Iterator[Iterator[Recipe]]:
    """Yield rounds of recipes for a model that is no detector, in the same order.

    Args:
        compare: see recipes().
        base: options that do not quantize.
        float16: see recipes().
        mmse: see recipes().
    """
    yield iter([Recipe(name, replace(base, algorithm=name)) for name in ("normal", "kl_divergence")])
    yield _dear(compare, replace(base, algorithm="normal"), float16=float16, mmse=mmse)


def _cheap(
    attention: tuple[tuple[str, str], ...], offsets: tuple[str, ...], *, more: bool, float16: bool
) -> Iterator[Recipe]:
    yield Recipe("mean", BuildOptions(algorithm="mean"))
    if more:
        yield Recipe("mean, more images", BuildOptions(algorithm="mean"), few=False)
    yield Recipe("normal", BuildOptions(algorithm="normal"))
    yield Recipe("kl_divergence", BuildOptions(algorithm="kl_divergence"))
    if float16 and offsets:
        yield Recipe("mean, offsets float16", BuildOptions(algorithm="mean", float16=offsets))
    if float16 and attention:
        yield Recipe("mean, attention float16", BuildOptions(algorithm="mean", custom_hybrid=attention))


def _dear(
    compare: Callable[[], Sequence[LayerError]], plain: BuildOptions, *, float16: bool, mmse: bool
) -> Iterator[Recipe]:
    """Yield what costs speed, or hours to build; a model of few layers has them all in float16 once."""
    if float16:
        worst = lossy(compare())
        for count in dict.fromkeys(min(count, len(worst)) for count in WORST):
            if count:
                yield Recipe(f"{plain.algorithm}, {count} layers float16", replace(plain, float16=tuple(worst[:count])))
        yield Recipe("auto_hybrid", replace(plain, algorithm="normal", auto_hybrid=True))
    if mmse:
        yield Recipe("mmse", replace(plain, algorithm="mmse"))
