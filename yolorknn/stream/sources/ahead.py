"""A file beside cameras: read ahead by one frame, on a thread of its own, so that a slow disk holds up no camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

from yolorknn.errors import SourceError
from yolorknn.stream.rate import Rate
from yolorknn.stream.sources.source import Frame, Source
from yolorknn.stream.sources.status import SourceStatus

PATIENCE = 2.0
"""Seconds that close() waits for its thread."""


class Ahead:
    """Reads a source in order and loses none of its frames; the next is read when one is taken.

    Args:
        opened: opens the source, or raises SourceError; called on the thread that reads.
        camera: its name among several.
        source: what it is of, as that is named to open it.
        told: is told what cannot be read.
        wake: is set whenever there may be something to take.
    """

    live = False

    def __init__(
        self,
        opened: Callable[[], Source],
        *,
        camera: str,
        source: str,
        told: Callable[[str], None],
        wake: threading.Event,
    ) -> None:
        self.camera, self._source = camera, source
        self._rate, self._count, self._why = Rate(), 0, ""
        self._size: tuple[int, int] | None = None
        self._arrived: float | None = None
        self._opened, self._told, self._wake = opened, told, wake
        self._next: Frame | None = None
        self._room = threading.Semaphore(1)
        self._stopped, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="yolorknn-ahead", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self._stopped.is_set() or (self._done.is_set() and self._next is None)

    def take(self) -> Frame | None:
        frame, self._next = self._next, None
        if frame is not None:
            self._room.release()
        return None if self._stopped.is_set() else frame

    def watch(self) -> None:
        """Nothing: what hangs in a file's read is the machine's."""

    def status(self) -> SourceStatus:
        now = time.monotonic()
        return SourceStatus(
            source=self._source,
            state="ended" if self.ended else "live" if self._count else "opening",
            why=self._why,
            epoch=min(1, self._count),
            fps=0.0 if self.ended else self._rate.fps(now),
            size=self._size,
            age=None if self._arrived is None else now - self._arrived,
            losses={},
            frames={"read": self._count, "dropped": 0, "corrupt": 0, "late": 0, "unwanted": 0},
            jumps=0,
        )

    def stop(self) -> None:
        self._stopped.set()
        self._room.release()

    def close(self) -> None:
        self.stop()
        self._thread.join(PATIENCE)

    def _read(self) -> None:
        try:
            with closing(self._opened()) as source:
                while not self._stopped.is_set():
                    self._room.acquire()
                    if (frame := self._following(source)) is None:
                        break
                    self._arrived = time.monotonic()
                    self._rate.add(self._arrived)
                    self._size = (frame.image.shape[0], frame.image.shape[1])
                    self._next = frame._replace(camera=self.camera, epoch=1, number=self._count)
                    self._count += 1
                    self._wake.set()
        except SourceError as exc:
            self._why = str(exc)
            self._told(self._why)
        finally:
            self._done.set()
            self._wake.set()

    def _following(self, source: Source) -> Frame | None:
        """Return the next frame; of several images, those that cannot be read are left out."""
        while True:
            try:
                return source.read()
            except SourceError as exc:
                if source.fps:
                    raise
                self._told(str(exc))
