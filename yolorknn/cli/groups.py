"""Options that belong together: a group is one value, and is said once for all commands that have it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
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
    Mmse,
    Platform,
)


@dataclass(frozen=True)
class Target:
    """What to build for."""

    platform: Platform = "rk3588"
    dtype: DtypeOption = None
    dataset: Dataset = None


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

    def check(self, target: Target, *, chosen: bool) -> None:
        """Refuse what contradicts itself; `chosen` says whether options of the build were given, which it chooses."""
        if self.max_drop is None and (self.data or self.mmse):
            raise typer.BadParameter("needs --max-drop, the points of mAP50-95 that int8 may lose", param_hint="--data")
        if self.max_drop is not None and self.data is None:
            raise typer.BadParameter("needs --data, a data.yaml with labelled images", param_hint="--max-drop")
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
