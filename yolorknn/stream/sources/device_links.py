"""The names that a camera keeps when it is plugged in again, though its number is another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

LINKS = ("by-path", "by-id")
"""Folders of udev's links, in the order in which they are trusted: a port is one camera's, whereas cheap cameras of one
make have one id."""


def links_to(device: Path, folder: Path = Path("/dev/v4l")) -> list[Path]:
    """Return the links that lead to a device now."""
    with suppress(OSError):
        target = device.resolve()
        found = [link for kind in LINKS for link in sorted((folder / kind).glob("*")) if link.resolve() == target]
        return found
    return []


def found_again(links: Sequence[Path]) -> Path | None:
    """Return the first of the links that leads anywhere; None while the camera is not plugged in."""
    return next((link for link in links if link.exists()), None)
