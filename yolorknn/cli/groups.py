"""Options that belong together: a group is one value, and is said once for all commands that have it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import typer

from yolorknn.cli.options import (
    AlgorithmOption,
    AutoHybrid,
    Data,
    Dataset,
    DtypeOption,
    Float16,
    Float16Below,
    MaxDrop,
    MethodOption,
    Metric,
    Mmse,
    Platform,
    Precompile,
    RayOfGate,
    Toolkit1Option,
    ToolkitOption,
)
from yolorknn.model.platforms import FIRST_GENERATION

NOT_FIRST = {
    "--config": "it names options of rknn-toolkit2, and rknn-toolkit 1.7 has others",
    "--batch": "detectors are built for one image at a time",
    "--max-drop": "it measures each recipe on the simulator, which the last versions of rknn-toolkit 1.7 do not have",
    "--float16-below": "its NPU runs a model in one type, without layers in float16 among others in int8",
    "--custom-op": "rknn-toolkit 1.7 has no call that registers a Python class",
    "--generic": "such a .rknn does not state its inputs and outputs, and what runs it knows those of detectors alone",
    "--encrypt": "rknn-toolkit 1.7 has no such call",
}
"""Options of later chips, and why those of the first generation have them not."""


@dataclass(frozen=True)
class Target:
    """What to build for."""

    platform: Platform = "rk3588"
    dtype: DtypeOption = None
    dataset: Dataset = None
    toolkit: ToolkitOption = None
    toolkit1: Toolkit1Option = None
    precompile: Precompile = None

    @property
    def chip(self) -> str:
        """The platform as it is called."""
        return self.platform.strip().lower()

    @property
    def first(self) -> bool:
        """Whether the chip has an NPU of the first generation; options that are for such alone are refused without.

        Raises:
            BadParameter: one is given for another chip, or one for later chips for such a chip.
        """
        first = self.chip in FIRST_GENERATION
        if not first and (self.toolkit1 or self.precompile is not None):
            hint = "--toolkit1" if self.toolkit1 else "--pre-compile"
            raise typer.BadParameter(f"is for --platform {', '.join(FIRST_GENERATION)}", param_hint=hint)
        if first and self.toolkit:
            raise typer.BadParameter("is rknn-toolkit2's, for later chips: see --toolkit1", param_hint="--toolkit")
        return first

    def check_first(self, later: Mapping[str, bool]) -> None:
        """Refuse options that are for later chips, where the chip is of the first generation.

        Args:
            later: by option, whether it is given.
        """
        if self.first and (option := next((name for name, given in later.items() if given), None)):
            raise typer.BadParameter(f"is not for {self.platform}: {NOT_FIRST[option]}", param_hint=option)


@dataclass(frozen=True)
class Quantization:
    """How to quantize."""

    algorithm: AlgorithmOption = None
    method: MethodOption = None
    auto_hybrid: AutoHybrid = False
    float16: Float16 = None
    float16_below: Float16Below = None

    @property
    def given(self) -> bool:
        """Whether any of it was asked for."""
        return bool(self.algorithm or self.method or self.auto_hybrid or self.float16 or self.float16_below is not None)


@dataclass(frozen=True)
class Gate:
    """What accuracy is asked for, and on which labelled images."""

    data: Data = None
    max_drop: MaxDrop = None
    mmse: Mmse = False
    metric: Metric = None
    ray: RayOfGate = None

    def check(self, target: Target, *, chosen: bool, generic: bool = False) -> None:
        """Refuse what contradicts itself.

        Args:
            target: what is built for.
            chosen: whether options of the build were given, which the gate chooses.
            generic: whether the model is taken as it is, as no detector.
        """
        if self.metric and not generic:
            raise typer.BadParameter(
                "is for build --generic: detectors and classifiers have theirs", param_hint="--metric"
            )
        if self.max_drop is None and self.metric:
            raise typer.BadParameter("needs --max-drop, the points that int8 may lose of it", param_hint="--metric")
        if self.max_drop is None and self.ray:
            raise typer.BadParameter("is for --max-drop, which tries many recipes", param_hint="--ray")
        if self.max_drop is None and (self.data or self.mmse):
            raise typer.BadParameter(
                "needs --max-drop, the points of mAP50-95, or of top-1, that int8 may lose",
                param_hint="--data" if self.data else "--mmse",
            )
        if self.max_drop is not None and self.data is None:
            raise typer.BadParameter(
                "needs --data, a data.yaml with labelled images, or of a classifier their folder",
                param_hint="--max-drop",
            )
        if self.max_drop is not None and target.dtype == "fp16":
            raise typer.BadParameter("is about int8: leave out --dtype fp16", param_hint="--max-drop")
        if self.max_drop is not None and chosen:
            raise typer.BadParameter(
                "chooses the recipe itself: leave out the options of the build", param_hint="--max-drop"
            )


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with an option for every field of the groups among its parameters, as Typer needs them."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, entry in signature.parameters.items():
        options: Iterable[inspect.Parameter] = (entry,)
        if isinstance(entry.annotation, type) and is_dataclass(entry.annotation):
            groups[name] = entry.annotation
            options = inspect.signature(entry.annotation, eval_str=True).parameters.values()
        parameters += [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]

    @functools.wraps(command)
    def called(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    called.__annotations__ = {entry.name: entry.annotation for entry in parameters}
    vars(called)["__signature__"] = signature.replace(parameters=parameters)
    return called
