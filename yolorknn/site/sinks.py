"""The sinks of a site: opened as it says, and fitted to what it says later, those that stay as they are untouched."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from yolorknn.errors import YolorknnError
from yolorknn.files import read_secret
from yolorknn.site.broker import SiteBroker
from yolorknn.site.events import Event, Tell
from yolorknn.site.tables import SinksTable, Site
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.amounts import RECORDED, bytes_of, rotation_of
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.stream.sinks.opening import open_csv, open_json, open_segments, open_snapshots, open_webhook
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.sink_state import SinkState
from yolorknn.tasks.task import Wording

Key = tuple[Any, ...]
SLICE = 0.5
"""Seconds between two calls of `meanwhile`."""


class Wanted(NamedTuple):
    """A sink that the site asks for."""

    camera: str
    """Whose results it takes; empty for all."""
    open: Callable[[], Sink]


class SiteSinks:
    """A sink of all cameras, which gives each result to those that are for it.

    What a sink raises is told, and kept in `failed` until the sinks are fitted again.

    Args:
        tell: told what becomes of sinks.
        health: how a camera does.
        meanwhile: called now and then while sinks finish, which on a dead disk takes a minute.
    """

    def __init__(
        self, tell: Tell, health: Callable[[str], Health], meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        self._tell, self._broker, self._meanwhile = tell, SiteBroker(tell, health), meanwhile
        self._opened: dict[Key, tuple[str, Sink]] = {}
        self._words: dict[str, Wording] = {}
        self._spoken = 0  # how often words of a camera became others
        self._to: dict[str, tuple[tuple[Key, Sink], ...]] = {}
        self.page: Sink | None = None
        """What is given every result beside them."""
        self.failed: dict[Key, str] = {}
        """What sinks raised that are to be opened anew."""

    def write(self, result: Result[Any]) -> None:
        """Give a result to its sinks; from the thread of any watcher."""
        for key, sink in self._to.get(result.camera, ()):
            if key in self.failed:
                continue
            try:
                sink.write(result)
            except Exception as exc:
                self.failed[key] = f"{type(exc).__name__}: {exc}"

        if (page := self.page) is not None:
            page.write(result)

    @property
    def states(self) -> list[SinkState]:
        """How those with a queue do, and the broker."""
        states = [getattr(sink, "state", None) for _, sink in list(self._opened.values())]
        return [*(state for state in states if isinstance(state, SinkState)), *self._broker.states]

    def fit(self, site: Site, words: Mapping[str, Wording]) -> None:
        """Have the sinks that a site asks for; those that there are, and are asked for as they are, stay.

        Args:
            site: what is asked for.
            words: of each camera, how its results are said.

        Raises:
            OutputError: one cannot be opened; the others are there.
            MissingDependencyError: a package for one is not installed.
        """
        if any(self._words.get(camera, said) != said for camera, said in words.items()):
            self._words, self._spoken = dict(self._words), self._spoken + 1  # what waits is said in those before
        self._words |= words
        wanted = dict(self._each(site))
        stay = {key: entry for key, entry in self._opened.items() if key in wanted and key not in self.failed}
        gone = {key: sink for key, (_, sink) in self._opened.items() if key not in stay}
        self._opened = stay
        self._direct(site)
        self._close_all(gone)
        self.failed = {}
        troubles: list[YolorknnError] = []
        try:
            self._broker.fit(site, self._words)
        except YolorknnError as exc:
            troubles.append(exc)
        for key, asked in wanted.items():
            if key in self._opened:
                continue
            try:
                self._opened[key] = (asked.camera, asked.open())
            except YolorknnError as exc:
                troubles.append(exc)
        self._direct(site)
        if troubles:
            raise troubles[0]

    def ending(self) -> None:
        """Know that cameras are ended now: that none gives anything is no problem to tell of."""
        self._broker.ending = True

    def close(self) -> None:
        """Finish all, and tell what was lost; at the broker all stays, and is said to be offline."""
        self._to = {}
        self._close_all({key: sink for key, (_, sink) in self._opened.items()})
        self._opened = {}
        self._broker.close()

    def _direct(self, site: Site) -> None:
        published = {("mqtt", name): (name, sink) for name, sink in self._broker.cameras.items()}
        every: dict[Key, tuple[str, Sink]] = {**self._opened, **published}
        self._to = {
            name: tuple((key, sink) for key, (camera, sink) in every.items() if camera in ("", name))
            for name in site.cameras
        }

    def _close_all(self, gone: Mapping[Key, Sink]) -> None:
        """Finish sinks, all at once: where none can, they take no longer than one."""
        threads = [threading.Thread(target=self._close, args=entry, daemon=True) for entry in gone.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SLICE)
            while thread.is_alive():
                self._meanwhile()
                thread.join(SLICE)

    def _close(self, key: Key, sink: Sink) -> None:
        with suppress(YolorknnError):  # it was told when it failed
            sink.close()
        state = getattr(sink, "state", None)
        if state is not None and state.losses:
            self._tell(Event("sink", state.losses, "warning", key[1] if key[0] != "all" else ""))

    def _each(self, site: Site) -> Iterator[tuple[Key, Wanted]]:
        table = site.sinks
        told = self._told("")
        rotation = rotation_of(table.rotate, table.keep) if table.rotate else None
        say = functools.partial(_say, self._words)
        more: dict[str, Any] = {"live": True, "told": told, "append": True}
        if path := table.json:
            key = ("all", "json", path, rotation, self._spoken)
            target = "-" if str(path) == "-" else path
            yield key, Wanted("", functools.partial(open_json, target, say, rotation, **more))
        if path := table.csv:
            key = ("all", "csv", path, rotation, self._spoken)
            yield key, Wanted("", functools.partial(open_csv, path, say, rotation, **more))
        if table.webhook:
            yield ("all", "webhook", table, self._spoken), Wanted("", functools.partial(self._open_webhook, site, say))
        for name, camera in site.cameras.items():
            if (words := self._words.get(name)) is None:  # its model does not run yet
                continue
            own: dict[str, Any] = {
                "name": name, "names": words.names, "quota": bytes_of(table.quota),
                "live": True, "told": self._told(name),
            }  # fmt: skip
            marks = (name, table.quota, table.every, tuple(words.names.items()))
            if folder := table.record:
                opening = functools.partial(open_segments, folder, fps=camera.fps or RECORDED, **own)
                yield ("record", *marks, folder, camera.fps), Wanted(name, opening)
            for folder, what in _pictures(table):
                if folder:
                    opening = functools.partial(open_snapshots, folder, what, every=table.every, **own)
                    yield (what, *marks, folder), Wanted(name, opening)

    def _told(self, camera: str) -> Callable[[str], None]:
        where = f"{camera}: " if camera else ""
        return lambda text: self._tell(Event("sink", f"{where}{text}", "warning", camera))

    def _open_webhook(self, site: Site, say: Callable[[Result[Any]], Wording]) -> Sink:
        table = site.sinks
        secret = os.environ.get("YOLORKNN_WEBHOOK_SECRET", "")
        if table.webhook_secret_file:
            secret = read_secret(f"@{table.webhook_secret_file}", "webhook_secret_file")
        return open_webhook(
            read_secret(str(table.webhook), "webhook"),
            say,
            secret=secret,
            every=table.every,
            live=True,
            told=self._told(""),
        )


def _say(words: Mapping[str, Wording], result: Result[Any]) -> Wording:
    return words[result.camera]


def _pictures(table: SinksTable) -> list[tuple[Path | None, Literal["frames", "crops"]]]:
    return [(table.snapshots, "frames"), (table.crops, "crops")]
