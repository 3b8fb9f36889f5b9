"""What a user calls a camera of this machine."""

from __future__ import annotations

import re
from pathlib import Path

_CAMERA = re.compile(r"(?:camera|/dev/video)?(\d{1,4})|/dev/v4l/by-(?:id|path)/[^/]+", re.ASCII)


def device_of(source: str) -> Path | None:
    """Return the device that a camera's name stands for; None for what is no camera on this machine."""
    named = _CAMERA.fullmatch(source)
    return None if named is None else Path(f"/dev/video{int(named[1])}" if named[1] else source)


def camera_name(source: str) -> str:
    """Return what a camera is called, for its frames: camera0 for its number, or its link."""
    named = _CAMERA.fullmatch(source)
    return f"camera{int(named[1])}" if named and named[1] else source
