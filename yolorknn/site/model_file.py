"""A model's file on the disk: whether it is another one now, and what it was."""

from __future__ import annotations

import contextlib
from pathlib import Path

from yolorknn.files import sha256
from yolorknn.model.kept import keep

_State = tuple[int, int, int]


class ModelFile:
    """Looks after a model's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = ""
        """Of what runs."""
        self._known = self._last = self._state()
        self._refused = ""

    def note(self, digest: str) -> None:
        """Know what runs now."""
        self.digest, self._known = digest, self._state()
        self._last = self._known

    def refuse(self, digest: str) -> None:
        """Know what was tried and is no good, so that it is not tried again."""
        self._refused, self._known = digest, self._state()

    def changed(self) -> str:
        """Return the sha256 of another model that is there, whole, since two looks; empty where there is none."""
        state, before, self._last = self._state(), self._last, self._state()
        if state is None or state == self._known or state != before:
            return ""
        with contextlib.suppress(OSError):
            digest = sha256(self.path)
            if digest not in (self.digest, self._refused) and self._state() == state:
                return digest
            self._known = state
        return ""

    def keep(self) -> Path:
        """Have a copy of what runs beside the file, under its sha256, and that of what ran before.

        Raises:
            OutputError: the folder cannot be written, or the disk is full.
        """
        return keep(self.path, self.digest)

    def _state(self) -> _State | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
