"""Work on several boards side by side, which can be ended at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, TypeVar

from yolorknn.deploy.ssh import EndedError, Remote
from yolorknn.errors import DeployError, YolorknnError
from yolorknn.text import reason_of

T = TypeVar("T")
Hold = Callable[[], AbstractContextManager[None]]
"""Gives a block that stop() lets come to its end; where it was called before, entering raises an EndedError."""


class Crew(Generic[T]):
    """A thread for each board at work.

    Args:
        connect: makes a connection to a board, which is opened and closed here.
        work: what is done there.
        note: is told of each board once what the work gave, or its error; tells whether to go on, or to stop().
        most: so many boards at once.
    """

    def __init__(
        self,
        connect: Callable[[str], Remote],
        work: Callable[[Remote, Hold], T],
        note: Callable[[str, T | YolorknnError], bool],
        *,
        most: int,
    ) -> None:
        self._connect, self._work, self._note, self._most = connect, work, note, most
        self._lock, self._noting, self._stopped = threading.Lock(), threading.Lock(), False
        self._open: set[Remote] = set()
        self._held: set[Remote] = set()

    def run(self, hosts: Sequence[str]) -> bool:
        """Work on these boards, and return once all are through, with whether none was to stop it.

        An exception, as of Ctrl-C, stops it.
        """
        with ThreadPoolExecutor(self._most, thread_name_prefix="yolorknn-board") as executor:
            try:
                for future in as_completed([executor.submit(self._one, host) for host in hosts]):
                    future.result()
            except BaseException:
                self.stop()
                raise
        return not self._stopped

    def stop(self) -> None:
        """End what is going on, but for what is held, and begin with no further board: an EndedError is noted."""
        with self._lock:
            self._stopped = True
            for remote in self._open - self._held:
                remote.end()

    def _one(self, host: str) -> None:
        answer = self._answer(host)
        with self._noting:  # here, as no Ctrl-C comes between what is done and what is noted
            if not self._note(host, answer):
                self.stop()

    def _answer(self, host: str) -> T | YolorknnError:
        remote = self._connect(host)
        try:
            with self._lock:
                if self._stopped:
                    raise EndedError(host)
                self._open.add(remote)
            with remote:
                return self._work(remote, lambda: self._hold(remote))
        except YolorknnError as exc:
            return exc
        except OSError as exc:
            return DeployError(f"{host} cannot be worked on: {reason_of(exc)}")
        finally:
            with self._lock:
                self._open.discard(remote)

    @contextmanager
    def _hold(self, remote: Remote) -> Iterator[None]:
        with self._lock:
            if self._stopped:
                raise EndedError(remote.host)
            self._held.add(remote)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(remote)
