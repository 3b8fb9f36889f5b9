"""What a user calls a camera of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

_CAMERA = re.compile(r"(?:camera|/dev/video)?(\d{1,4})|/dev/v4l/by-(?:id|path)/[^/]+", re.ASCII)
_NODE = re.compile(r"/dev/video\d+", re.ASCII)


def device_of(source: str) -> Path | None:
    """Return the device that a camera's name stands for; None for what is no camera on this machine."""
    named = _CAMERA.fullmatch(source)
    if named is None:
        return Path(source) if _is_link(source) else None
    return Path(f"/dev/video{int(named[1])}" if named[1] else source)


def _is_link(source: str) -> bool:
    """Tell whether it is a link that a rule of the user's has udev make, or would be, where it is not plugged in."""
    if not re.fullmatch(r"/dev/[^/]+", source):
        return False
    return not os.path.lexists(source) or _NODE.fullmatch(os.path.realpath(source)) is not None


def camera_name(source: str) -> str:
    """Return what a camera is called, for its frames: camera0 for its number, or its link."""
    named = _CAMERA.fullmatch(source)
    return f"camera{int(named[1])}" if named and named[1] else source
