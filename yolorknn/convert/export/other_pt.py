"""What a .pt is that is no checkpoint of ultralytics, and the way that there is for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolorknn.convert.export.pickled import Contents, Thing

_ULTRALYTICS = ("ultralytics.nn.", "ultralytics.yolo.")
_GENERIC = "and build that with 'yolorknn build NAME.onnx --generic'"
_OLD = "the {} repository's, whose network only its own code can run: export it to ONNX there ({}), " + _GENERIC
_WEIGHTS = "a state dict, weights without their network"
_V9 = re.compile(r"RepNCSPELAN4|ADown|SPPELAN|DDetect|DualDDetect|TripleDDetect")
_V7 = re.compile(r"IDetect|IAuxDetect|IBin|IKeypoint|SPPCSPC|ReOrg|RepConv\b|\.MP\b")
_MOST_THINGS = 20_000

_BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file: run 'git lfs pull'"),
    (b"<!doctype", "a web page: download the file itself"),
    (b"<html", "a web page: download the file itself"),
    (b"\x89HDF", "a file of Keras (HDF5): export it to ONNX there, " + _GENERIC),
)
_STATE_DICTS = (
    (r"^(module\.)?backbone\.backbone\.stem\.conv", "YOLOX", "tools/export_onnx.py"),
    (r"^(module\.)?bbox_head\.", "MMDetection or MMYOLO", "its deploy tools"),
    (r"^(module\.)?model\.\d+\.(cv|m|conv|bn)", "", ""),
)
"""How the first names in a state dict begin, whose it is, and what exports it there."""


def is_ultralytics(root: Any) -> bool:
    """Tell whether the root of a .pt is a checkpoint of ultralytics."""
    return isinstance(found := model_of(root), Thing) and found.kind.startswith(_ULTRALYTICS)


def model_of(root: Any) -> Any:
    """Return the model in a checkpoint, as ultralytics chooses it."""
    return (root.get("ema") or root.get("model")) if isinstance(root, dict) else None


def beginning(path: Path) -> str | None:
    """Return what a file is that is no .pt, after its first bytes; None where they say nothing."""
    with path.open("rb") as file:
        start = file.read(100).lstrip().lower()
    return next((what for sign, what in _BEGINNINGS if start.startswith(sign.lower())), None)


def name_foreign(contents: Contents) -> str:
    """Return what a .pt that is no checkpoint of ultralytics is, and what to do, to be put behind "it is"."""
    root = contents.root
    if "constants.pkl" in contents.entries:
        return (
            "a TorchScript archive: give the .pt that it was made of, or build it with "
            "'yolorknn build NAME.pt --generic --size 1x3x224x224'"
        )
    kinds = set(_kinds(root))
    old = " ".join(kind for kind in kinds if kind.startswith("models."))
    if old:
        owner = "YOLOv9" if _V9.search(old) else "YOLOv7" if _V7.search(old) else "YOLOv5"
        renew = ", or train yolov5nu.pt and the like with ultralytics" if owner == "YOLOv5" else ""
        return _OLD.format(owner, "export.py --include onnx") + renew
    if any(kind.startswith("yolov6.") for kind in kinds):
        return _OLD.format("YOLOv6", "deploy/ONNX/export_onnx.py")
    if any(kind.startswith("yolox.") for kind in kinds):
        return _OLD.format("YOLOX", "tools/export_onnx.py")
    if any(kind.startswith("super_gradients.") for kind in kinds) or (isinstance(root, dict) and "ema_net" in root):
        return _OLD.format("YOLO-NAS (super-gradients)", "model.export")
    if any(kind.startswith("ultralytics.models.") for kind in kinds):
        return "a whole YOLO object of ultralytics: save it there with model.save('NAME.pt')"
    if weights := _state_dict(root):
        for pattern, owner, tool in _STATE_DICTS:
            if any(re.search(pattern, name) for name in weights[:5]):
                if owner:
                    return _OLD.format(owner, tool)
                return f"{_WEIGHTS}: load it into its YOLO there, and save that with model.save('NAME.pt')"
        return f"{_WEIGHTS}: load it there, export it to ONNX, {_GENERIC}"
    return "a .pt of something else" + (f" ({min(kinds)})" if kinds else "")


def _state_dict(root: Any) -> list[str]:
    """Return the names of the tensors, where there is a dict of them and no module."""
    candidates = [root]
    if isinstance(root, dict):
        candidates += [root.get(name) for name in ("ema", "model", "state_dict", "model_state_dict", "net")]
    for candidate in candidates:
        if isinstance(candidate, dict):
            names = [str(name) for name, value in candidate.items() if _is_tensor(value)]
            if names and len(names) >= 0.9 * len(candidate):
                return names
    return []


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Thing) and value.kind.startswith(("torch._utils._rebuild", "torch._tensor._rebuild"))


def _kinds(root: Any) -> Iterator[str]:
    """Yield what would have been made, of all that the root refers to, but for torch's own."""
    waiting, seen = [root], set[int]()
    while waiting and len(seen) < _MOST_THINGS:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Thing):
            if not value.kind.startswith(("torch.", "builtins.", "collections.", "storage", "numpy", "_codecs")):
                yield value.kind
            waiting += [value.state, *value.items.values()]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
