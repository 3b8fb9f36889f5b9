"""A model's file and the one before it, kept beside it under its sha256: what replaces it can be taken back.

A .json beside a model, in which some have their metadata, goes with it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import atomic, sha256, writing

DIGITS = 12
"""Of the sha256 in a kept file's name."""
KEPT = 2
"""Files of a model that are kept beside it: the one in use, and the one before."""
COPY = rf".+\.[0-9a-f]{{{DIGITS}}}\.rknn"
"""What the name of a kept .rknn is like."""


def keep(path: Path, digest: str) -> Path:
    """Have a copy of a model beside it, under its sha256, and that of the one before.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    copy = path.with_name(f"{path.stem}.{digest[:DIGITS]}{path.suffix}")
    if not copy.exists():
        _copy(path, copy)
    copy.touch()
    for old in copies(path)[KEPT:]:
        old.unlink(missing_ok=True)
        _beside(old).unlink(missing_ok=True)
    return copy


def copies(path: Path) -> list[Path]:
    """Return what is kept of a model, the newest first."""
    name = re.compile(rf"{re.escape(path.stem)}\.[0-9a-f]{{{DIGITS}}}{re.escape(path.suffix)}")
    found = [entry for entry in path.parent.iterdir() if name.fullmatch(entry.name)]
    return sorted(found, key=lambda entry: entry.stat().st_mtime_ns, reverse=True)


def replace(path: Path, new: Path) -> tuple[str | None, str]:
    """Put another file in a model's place, in one step, and keep the model.

    Args:
        path: the model; there may be none yet.
        new: is not there any more afterwards.

    Returns:
        The sha256 of what was there, None for nothing, and of what is there now.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    before = sha256(path) if path.exists() else None
    digest = sha256(new)
    if before is not None and before != digest:
        keep(path, before)
    with writing(path):
        if _beside(new).exists():
            os.replace(_beside(new), _beside(path))
        os.replace(new, path)
    return before, digest


def take_back(path: Path, digest: str) -> tuple[str, str]:
    """Put the model before this one in its place again.

    Args:
        path: the model.
        digest: its sha256; another one is left alone.

    Returns:
        The sha256 of what was there, and of what is there now: the same where it was another one.

    Raises:
        ModelError: none is kept, or it is damaged.
        OutputError: the folder cannot be written, or the disk is full.
    """
    now = sha256(path)
    if now != digest:
        return now, now
    before = next((copy for copy in copies(path) if f".{digest[:DIGITS]}." not in copy.name), None)
    if before is None:
        raise ModelError(f"no model before {path.name} is kept beside it")
    restored = sha256(before)
    if f".{restored[:DIGITS]}." not in before.name:
        raise ModelError(f"{before.name} is damaged: its content has another sha256 than its name")
    _copy(before, path)
    return now, restored


def _copy(path: Path, to: Path) -> None:
    """Write a model and what belongs to it under another name, the model last."""
    beside = _beside(path)
    for source, target in ((beside, _beside(to)), (path, to)):
        if source.exists():
            with atomic(target) as made:
                shutil.copyfile(source, made)


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
