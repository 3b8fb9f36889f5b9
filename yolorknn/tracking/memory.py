"""What outlives a run: how many crossed and entered, and which numbers were given; one file a camera."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from yolorknn.errors import OutputError
from yolorknn.files import hold, write_bytes
from yolorknn.stream.scene import Direction
from yolorknn.text import file_word
from yolorknn.tracking.zones import Line, Zone

AHEAD = 1000
"""Numbers that are taken at once: after a power cut so many are left out at most, and none is given again."""
EVERY = 1.0
"""Seconds between two times that counts are written: what a power cut costs at most."""
AGAIN = 30.0
"""The same after a time that failed."""
_MOST = 1 << 20
_VERSION = 1


def memory_file(folder: Path, camera: str) -> Path:
    """Return the file of a camera, whatever it is called; no two have one."""
    word = file_word(camera)
    if word != camera:  # others have the same word; a plus is in none
        word += f"+{hashlib.sha256(camera.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return folder / f"tracking-{word}.json"


class Memory:
    """Counts, and numbers that are given once, in a file that is replaced whole, or in no file.

    A file that another run has is told of, once; counting goes on. So it does where the file cannot be written, as on a
    full disk, which is tried again. Threads may share it.
    """

    def __init__(self, path: Path | None, told: Callable[[str], None]) -> None:
        """Read what an earlier run left; a file that is none of these is told of and begun anew."""
        self.lines: dict[str, dict[Direction, Counter[str]]] = {}
        self.entered: dict[str, Counter[str]] = {}
        self._path, self._told = path, told
        self._next = self._taken = 1
        self._changed, self._written = False, float("-inf")
        self._failed = ""
        self._lock = threading.RLock()
        self._release: Callable[[], object] | None = None
        if path is not None:
            self._hold(path)
            self._read(path)

    def number(self) -> int:
        """Return the next number, from 1: no run that knows the file gives it again."""
        with self._lock:
            given, self._next = self._next, self._next + 1
            if self._next > self._taken:
                self._taken = self._next + AHEAD
                self._changed = True
                self.save()
            return given

    def totals(self, zones: Sequence[Zone], lines: Sequence[Line]) -> dict[str, Any]:
        """Return what was counted, copied, as the fields of a Scene."""
        return {
            "entered": {zone.name: Counter(self.entered.get(zone.name, ())) for zone in zones},
            "lines": {line.name: {way: Counter(of) for way, of in self.ways(line.name).items()} for line in lines},
        }

    def crossed(self, line: str, direction: Direction, name: str) -> None:
        """Count an object of a class across a line."""
        with self._lock:
            self.ways(line)[direction][name] += 1
            self._changed = True

    def entering(self, zone: str, name: str) -> None:
        """Count an object of a class into a zone."""
        with self._lock:
            self.entered.setdefault(zone, Counter())[name] += 1
            self._changed = True

    def ways(self, line: str) -> dict[Direction, Counter[str]]:
        """Return the counts of a line."""
        return self.lines.setdefault(line, {"in": Counter(), "out": Counter()})

    def tick(self, now: float) -> None:
        """Write what changed, if it is time to; `now` are seconds that only grow."""
        if self._changed and not 0 <= now - self._written < (AGAIN if self._failed else EVERY):
            self._written = now
            self.save()

    def save(self) -> None:
        """Write what changed."""
        with self._lock:
            if self._path is None or not self._changed:
                return
            self._changed = False
            values = {"version": _VERSION, "next": self._taken, "lines": self.lines, "entered": self.entered}
            try:
                write_bytes(self._path, json.dumps(values).encode())
            except OutputError as exc:
                self._changed = True
                if not self._failed:
                    self._told(f"{exc}; counts go on, and are lost with this run unless it can be written again")
                self._failed = str(exc)
            else:
                if self._failed:
                    self._told(f"{self._path} can be written again, and has all counts")
                self._failed = ""

    def close(self) -> None:
        """Write what changed, give numbers back that were not given, and leave the file to the next run."""
        with self._lock:
            self._changed |= self._taken != self._next
            self._taken = self._next
            self.save()
            self._path = None
            if self._release is not None:
                self._release()

    def _hold(self, path: Path) -> None:
        """Have the file alone: of two runs each would write its own counts over the other's."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError:  # a folder that cannot be written, which save() tells
            return
        self._release = weakref.finalize(self, os.close, held)
        if not hold(held):
            self._path = None
            self._told(f"{path} is another run's: what this run counts is lost with it")

    def _read(self, path: Path) -> None:
        try:
            with path.open("rb") as opened:
                values = json.loads(opened.read(_MOST))
            assert values["version"] == _VERSION
            assert 0 < values["next"] < 1 << 62
            self._next = self._taken = int(values["next"])
            self.lines = {
                str(line): {"in": _counter(ways["in"]), "out": _counter(ways["out"])}
                for line, ways in values["lines"].items()
            }
            self.entered = {str(zone): _counter(total) for zone, total in values["entered"].items()}
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as exc:  # whatever there is in its place
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            self.lines, self.entered = {}, {}
            self._told(f"{path} cannot be read ({type(exc).__name__}): counts begin anew, and it is kept as .damaged")


def _counter(values: Any) -> Counter[str]:
    return Counter({str(name): int(number) for name, number in values.items() if int(number) > 0})
