"""How much a sink may have, as people write it, and how much is thought of one that says nothing."""

from __future__ import annotations

import re

from yolorknn.stream.sinks.line_file import Rotation

RECORDED = 15.0
"""Frames a second that a recording of a camera is begun for, where none are asked for; it plays at their own times."""


def bytes_of(text: str) -> int:
    """Return how many bytes 500M, 10G or a number says.

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"(\d{1,15})\s*([kmgt]?)b?", text.strip(), re.ASCII | re.IGNORECASE)
    if not found or not int(found[1]):
        raise ValueError(f"'{text}' is not a size: give it as 500M or 10G")
    return int(found[1]) << 10 * " kmgt".index(found[2].lower() or " ")


def rotation_of(text: str, keep: int) -> Rotation:
    """Return when a file makes room for a new one: at a size as 100M, an age as 12h or 7d, or both with a comma.

    Raises:
        ValueError: it is none of these.
    """
    size = age = None
    for entry in text.split(","):
        if found := re.fullmatch(r"\s*0*([1-9]\d{0,5})([hd])\s*", entry, re.ASCII):
            age = int(found[1]) * (3600.0 if found[2] == "h" else 86400.0)
        else:
            size = bytes_of(entry)
    return Rotation(size, age, keep)
