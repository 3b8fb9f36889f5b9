"""A .pt of ultralytics loaded without running any code of the file's choice.

torch.load(weights_only=True) with the networks' classes allowed would still call them with what the file gives, and
ultralytics' own parse text as Python then. So only what follows is called, networks and layers are made empty and given
their state, whatever else the file names stays a Thing, and a network that needs such a Thing is refused.
"""

from __future__ import annotations

import collections
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolorknn.convert.export.pickled import Name, Thing, Unpickler, check_key
from yolorknn.convert.export.torch_versions import known

_PACKAGES = ("torch.nn.modules", "torch.ao.nn", "ultralytics.nn.modules", "ultralytics.nn.tasks")
_RENAMED = {
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
}
_NAMESPACES = ("ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


class UntrustedError(Exception):
    """A network consists of classes that are not torch's or ultralytics'; they are the arguments."""


class _Restricted(Unpickler):
    """Makes torch's and ultralytics' layers, tensors, and containers."""

    def call(self, name: Name, args: tuple[Any, ...]) -> Any:
        import torch

        match str(name), args:
            case "collections.OrderedDict", (*pairs,):
                return collections.OrderedDict((check_key(key), value) for key, value in (pairs[0] if pairs else ()))
            case "builtins.set", (items,):
                return {check_key(item) for item in items}
            case "builtins.list", (items,):
                return list(items)
            case "torch.Size", (sides,):
                return torch.Size(sides)
            case "torch._utils._rebuild_tensor_v2", (storage, offset, size, stride, requires_grad, *_):
                return torch._utils._rebuild_tensor_v2(
                    storage, offset, size, stride, requires_grad, collections.OrderedDict()
                )
            case "torch._utils._rebuild_parameter", (data, requires_grad, *_):
                return torch._utils._rebuild_parameter(data, requires_grad, collections.OrderedDict())
            case "builtins.getattr", (thing, str(attribute)) if attribute.startswith("forward"):
                # the heads of segmentation and pose keep Detect.forward
                owner = _layer(thing) if isinstance(thing, Name) else thing
                if isinstance(owner, (torch.nn.Module, type)):
                    return getattr(owner, attribute)
        return Thing(str(name), args)

    def new(self, name: Name, args: tuple[Any, ...]) -> Any:
        if str(name) in _NAMESPACES:
            return types.SimpleNamespace()
        layer = None if args else _layer(name)
        return Thing(str(name), args) if layer is None else layer.__new__(layer)

    def fill(self, thing: Any, state: Any) -> None:
        import torch

        if isinstance(thing, torch.nn.Module):
            if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
                raise pickle.UnpicklingError("a layer without a state")
            thing.__setstate__(state)
        elif isinstance(thing, types.SimpleNamespace):
            vars(thing).update(state)
        else:
            super().fill(thing, state)


def load(path: Path) -> Any:
    """Return what a .pt holds.

    Raises:
        Exception: torch.load raises anything.
    """
    import torch
    import ultralytics.nn.tasks  # noqa: F401  all layers that there are

    module = types.SimpleNamespace(Unpickler=_Restricted, __name__=__name__)
    new = known(torch.load, weights_only=False)
    return torch.load(path, map_location="cpu", pickle_module=module, **new)


def check_layers(model: Any) -> None:
    """Look for what the network needs and the file may not have made.

    Raises:
        UntrustedError: it needs such things; they are named.
    """
    missing = sorted({str(found) for found in _missing(model)})
    if missing:
        raise UntrustedError(*missing)


def _layer(name: Name) -> Any:
    """Return a class of torch's or ultralytics' layers and networks that is imported already; None for any other."""
    import torch

    package, _, word = _RENAMED.get(str(name), str(name)).rpartition(".")
    if not any(package == allowed or package.startswith(f"{allowed}.") for allowed in _PACKAGES):
        return None
    found = vars(sys.modules[package]).get(word) if package in sys.modules else None
    fits = isinstance(found, type) and issubclass(found, torch.nn.Module) and found.__module__.startswith(_PACKAGES)
    return found if fits else None


def _missing(model: Any) -> Iterator[str]:
    import torch

    waiting, seen = [model], set[int]()
    while waiting:
        module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        if isinstance(module, (Thing, Name)):
            yield module.kind if isinstance(module, Thing) else str(module)
        elif isinstance(module, torch.nn.Module):
            state = vars(module)
            for table in ("_modules", "_parameters", "_buffers", *_HOOKS):
                waiting += (state.get(table) or {}).values()
            if module is not model:  # around the network itself stand its loss, transforms and callbacks
                waiting += [value for value in state.values() if isinstance(value, (Thing, Name))]
                waiting += [part for value in state.values() if isinstance(value, (list, tuple)) for part in value]
