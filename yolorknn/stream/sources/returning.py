"""A source that comes back: opened again for ever, and watched from outside the thread that reads it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

from yolorknn.errors import SourceError
from yolorknn.runtime.memory import give_back
from yolorknn.stream.backoff import Backoff
from yolorknn.stream.sources.history import History
from yolorknn.stream.sources.source import Frame, LostError, SilentError, Source
from yolorknn.stream.sources.status import SourceStatus, State
from yolorknn.stream.sources.turn import Turn

SLICE = 0.5
"""Patience that a connection is to be opened with: it bounds how long an end, or a look at the time, has to wait."""
SILENCE = 5.0
"""Seconds without a good frame after which a source is lost."""
STUCK = 15.0
"""Seconds after which a call that opens or reads does not return any more: more than each allows itself."""
GOOD = 10.0
"""Seconds of good frames after which the waits between tries begin anew."""
QUICK = 10
"""Tries before waits double: a camera that was away for less than five seconds is back a second later, and one that is
off for the night is asked once a minute."""
DENIED = 10.0
"""Seconds at least after a refused password: cameras lock users out who come with wrong ones again and again."""
MOST_STUCK = 3
"""Threads of a source that may hang, before no further one is begun until one of them ends."""
PATIENCE = 0.6
"""Seconds that close() waits for the thread that reads: enough for a SLICE. One that opens is left to end alone."""

_logger = logging.getLogger(__name__)


class ReturningSource:
    """A camera or stream that is opened again whenever it is lost, for ever.

    A thread of its own opens and reads it, and keeps the newest good frame. Whoever takes frames looks after it: a
    thread that does not come back from a call is given up, and another begun. No two sources wait for each other.

    Args:
        connect: opens it once, to a source whose read() raises SilentError where no good frame came in SLICE, and
            another SourceError when it is lost.
        source: what it is of, for frames and messages, without a password.
        name: what a folder of results is called after.
        camera: its name among several.
        told: is told, once each, that it is lost and that it is back; from any thread.
        silence: seconds without a good frame after which it is lost.
        period: seconds between two frames that are wanted, in which those that are not wanted are a sign of life.
        wake: is set whenever there may be something to take.
        first: a connection that is open already.
        backoff: the waits between tries.
        keep: have every frame wait until it is taken, in place of the newest alone.
        epoch: the last one that there was of this camera before.
    """

    live = True
    count: int | None = None

    def __init__(
        self,
        connect: Callable[[], Source],
        *,
        source: str,
        name: str,
        camera: str = "",
        told: Callable[[str], None] = _logger.warning,
        silence: float = SILENCE,
        period: float = 0.0,
        wake: threading.Event | None = None,
        first: Source | None = None,
        backoff: Backoff | None = None,
        keep: bool = False,
        epoch: int = 0,
    ) -> None:
        self.name, self.source, self.camera = name, source, camera
        self.fps = first.fps if first is not None else 30.0
        self._connect, self._silence, self._period = connect, silence, period
        self._told = (lambda text: told(f"{camera}: {text}")) if camera else told
        self._wake = wake or threading.Event()
        self._first, self._backoff = first, backoff or Backoff(quick=QUICK)
        self._stopped, self._taken, self._keep_all = threading.Event(), threading.Event(), keep
        self._lock = threading.Lock()  # never held while anything is waited for
        self._newest: Frame | None = None
        self._history = History(source, camera, epoch)
        self._hanging: list[threading.Thread] = []
        self._looked, self._turn = time.monotonic(), Turn()
        self._begin(self._turn)

    def read(self) -> Frame | None:
        """Wait for the newest frame that was not yet given; None once it is stopped, or at its end."""
        while not self.ended:
            self._wake.wait(SLICE)
            self._wake.clear()
            if (frame := self.take()) is not None:
                return frame
            self.watch()
        return None

    def take(self) -> Frame | None:
        """Return the newest frame that was not yet given; None where there is none now."""
        with self._lock:
            frame, self._newest = self._newest, None
        self._taken.set()
        return None if self._stopped.is_set() else frame

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were taken."""
        return self._history.frames["dropped"]

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        with self._lock:
            return self._stopped.is_set() or (self._history.state == "ended" and self._newest is None)

    def watch(self) -> None:
        """Give up a thread that does not come back from a call; to be called now and then by who takes frames."""
        now = time.monotonic()
        asleep, self._looked = now - self._looked - 2 * SLICE, now
        turn = self._turn
        if asleep > 0:  # nobody looked: the process may have been stopped, and the thread with it
            turn.since += asleep
        if not turn.busy or self._stopped.is_set() or now - turn.since < STUCK:
            return
        self._hanging = [thread for thread in [*self._hanging, turn.thread] if thread is not None and thread.is_alive()]
        what = f"{self.source} does not come back from a call: its thread is left behind"
        self._lose(turn, LostError(what, "stuck"), "stuck")
        self._turn = following = Turn()
        if len(self._hanging) < MOST_STUCK:
            self._begin(following)

    def stop(self) -> None:
        """Have read() return None, and the thread end when it comes back from its call; from any thread."""
        self._stopped.set()
        self._taken.set()
        self._wake.set()

    def close(self) -> None:
        """Stop, and wait for the thread; one that hangs in a call is left to end alone."""
        self.stop()
        if self._turn.thread is not None:
            self._turn.thread.join(PATIENCE)

    def status(self) -> SourceStatus:
        """Return how it is; from any thread."""
        with self._lock:
            return self._history.status()

    def _begin(self, turn: Turn) -> None:
        turn.begin_call()
        turn.thread = threading.Thread(target=self._keep, args=(turn,), name="yolorknn-source", daemon=True)
        turn.thread.start()

    def _is_up(self, turn: Turn) -> bool:
        return self._turn is turn and not self._stopped.is_set()

    def _keep(self, turn: Turn) -> None:
        """Open and read it again and again; the body of its thread."""
        while self._is_up(turn):
            turn.begin_call()
            try:
                connection, self._first = self._first or self._connect(), None
                with closing(connection):
                    lost = self._follow(turn, connection)
            except SourceError as exc:
                lost = exc
            except Exception as exc:  # of a decoder, a driver; a camera that is gone for good because of it is worse
                _logger.exception("reading %s", self.source)
                lost = LostError(f"{self.source} cannot be read: {exc}", "broken")
            turn.busy = False
            if lost is None:
                with self._lock:
                    if self._is_up(turn):
                        self._history.state = "ended"
                self._wake.set()
                return
            give_back()  # what the connection held: the next one may take other pieces
            self._stopped.wait(self._lose(turn, lost, "waiting"))

    def _follow(self, turn: Turn, connection: Source) -> SourceError | None:
        """Give a connection's frames until it is lost; return why, None at its end."""
        good, alive, first, counted = time.monotonic(), 0.0, 0.0, Counter[str]()
        why: SourceError | None = None
        self.fps = connection.fps
        while self._is_up(turn):
            turn.begin_call()
            try:
                frame = connection.read()
            except SilentError as exc:
                why = exc if why is None or exc.reason != "silent" else why
                if getattr(connection, "unfit", counted)["unwanted"] > counted["unwanted"]:
                    alive = min(time.monotonic(), good + self._period)
                if time.monotonic() - max(good, alive) >= self._silence:
                    return why
                continue
            finally:
                counted = self._count(turn, connection, counted)
            if frame is None:
                return None
            turn.busy = False
            while self._keep_all and self._newest is not None and self._is_up(turn):
                self._taken.wait(SLICE)
                self._taken.clear()
            good, why = time.monotonic(), None
            self._give(turn, frame, first_of_connection=not first)
            first = first or good
            if good - first > GOOD:
                self._backoff.reset()
        return None

    def _count(self, turn: Turn, connection: Source, before: Counter[str]) -> Counter[str]:
        """Add what a connection counted since `before`, and return all that it has: frames not fit, jumps of time."""
        counted = Counter[str](getattr(connection, "unfit", {}))
        counted["jumps"] = getattr(connection, "jumps", 0)
        if counted != before:
            with self._lock:
                if self._turn is turn:
                    more = counted - before
                    self._history.jumps += more.pop("jumps", 0)
                    self._history.frames.update(more)
        return counted

    def _give(self, turn: Turn, frame: Frame, *, first_of_connection: bool) -> None:
        """Make a frame the newest."""
        with self._lock:
            if self._turn is not turn:
                return
            self._history.frames["dropped"] += self._newest is not None
            self._newest, back = self._history.given(frame, first_of_connection=first_of_connection)
        self._wake.set()
        if back:
            self._told(back)

    def _lose(self, turn: Turn, exc: SourceError, state: State) -> float:
        """Note why there are no frames, and return the seconds until the next try."""
        with self._lock:
            if not self._is_up(turn):
                return 0.0
            reason, sentence = self._history.lost(exc, state)
        if sentence:
            self._told(sentence)
        return self._backoff.wait(at_least=DENIED if reason == "denied" else 0.0)
