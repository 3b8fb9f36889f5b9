"""The sinks of a site: opened as it says, and fitted to what it says later, those that stay as they are untouched."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from yolorknn.errors import YolorknnError
from yolorknn.files import read_secret
from yolorknn.live.camera import CameraStatus
from yolorknn.site.events import Event, Tell
from yolorknn.site.tables import MqttTable, SinksTable, Site
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.amounts import RECORDED, bytes_of, rotation_of
from yolorknn.stream.sinks.mqtt.address import PORTS, Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.stream.sinks.opening import open_csv, open_json, open_segments, open_snapshots, open_webhook
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sinks.sink_state import SinkState
from yolorknn.tasks.task import Wording

Key = tuple[Any, ...]


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
    """

    def __init__(self, tell: Tell, health: Callable[[str], Health]) -> None:
        self._tell = tell
        self._health = lambda camera: Health(0.0, online=False) if self._ending else health(camera)
        self._ending = False
        self._opened: dict[Key, tuple[str, Sink]] = {}
        self._board: tuple[MqttTable, MqttBoard] | None = None
        self._connected = False
        self._words: dict[str, Wording] = {}
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
        """How those with a queue do."""
        states = [getattr(sink, "state", None) for _, sink in list(self._opened.values())]
        return [state for state in states if isinstance(state, SinkState)]

    def fit(self, site: Site, words: Mapping[str, Wording]) -> None:
        """Have the sinks that a site asks for; those that there are, and are asked for as they are, stay.

        Args:
            site: what is asked for.
            words: of each camera, how its results are said.

        Raises:
            OutputError: one cannot be opened; the others are there.
            MissingDependencyError: a package for one is not installed.
        """
        self._words |= words
        wanted = dict(self._each(site))
        stay = {key: entry for key, entry in self._opened.items() if key in wanted and key not in self.failed}
        gone = {key: sink for key, (_, sink) in self._opened.items() if key not in stay}
        self._opened = stay
        self._direct(site)
        for key, sink in gone.items():
            if key[0] == "mqtt" and self._board is not None:
                self._board[1].remove(sink)  # type: ignore[arg-type]  # it is a CameraSink
            self._close(key, sink)
        self.failed = {}
        troubles: list[YolorknnError] = []
        try:
            self._fit_board(site.mqtt)
        except YolorknnError as exc:
            troubles.append(exc)
        for key, asked in wanted.items():
            if key in self._opened or (key[0] == "mqtt" and self._board is None):
                continue
            try:
                self._opened[key] = (asked.camera, asked.open())
            except YolorknnError as exc:
                troubles.append(exc)
        self._direct(site)
        if self._board is not None and not self._connected:  # whose cameras are known now
            self._board[1].start()
            self._connected = True
        if troubles:
            raise troubles[0]

    def ending(self) -> None:
        """Know that cameras are ended now: that none gives anything is no problem to tell of."""
        self._ending = True

    def close(self) -> None:
        """Finish all, and tell what was lost; at the broker all stays, and is said to be offline."""
        self._to = {}
        for key, (_, sink) in self._opened.items():
            self._close(key, sink)
        self._opened = {}
        self._fit_board(None)

    def _direct(self, site: Site) -> None:
        self._to = {
            name: tuple((key, sink) for key, (camera, sink) in self._opened.items() if camera in ("", name))
            for name in site.cameras
        }

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
        more: dict[str, Any] = {"live": True, "told": told}
        if path := table.json:
            key = ("all", "json", path, rotation)
            target = "-" if str(path) == "-" else path
            yield key, Wanted("", functools.partial(open_json, target, self._say, rotation, append=True, **more))
        if path := table.csv:
            yield (
                ("all", "csv", path, rotation),
                Wanted("", functools.partial(open_csv, path, self._say, rotation, append=True, **more)),
            )
        if table.webhook:
            yield ("all", "webhook", table), Wanted("", functools.partial(self._open_webhook, site))
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
            if site.mqtt is not None:
                zones = tuple(zone.name for zone in site.places_of(name)[0])
                opening = functools.partial(self._open_camera, site.mqtt, name, words, zones)
                yield ("mqtt", name, tuple(words.names.items()), site.mqtt, zones), Wanted(name, opening)

    def _say(self, result: Result[Any]) -> Wording:
        return self._words[result.camera]

    def _told(self, camera: str) -> Callable[[str], None]:
        where = f"{camera}: " if camera else ""
        return lambda text: self._tell(Event("sink", f"{where}{text}", "warning", camera))

    def _open_webhook(self, site: Site) -> Sink:
        table = site.sinks
        secret = os.environ.get("YOLORKNN_WEBHOOK_SECRET", "")
        if table.webhook_secret_file:
            secret = read_secret(f"@{table.webhook_secret_file}", "webhook_secret_file")
        return open_webhook(
            read_secret(str(table.webhook), "webhook"),
            self._say,
            secret=secret,
            every=table.every,
            live=True,
            told=self._told(""),
        )

    def _open_camera(self, table: MqttTable, name: str, words: Wording, zones: tuple[str, ...]) -> Sink:
        assert self._board is not None
        return self._board[1].camera(
            name,
            names=words.names,
            zones=zones,
            health=functools.partial(self._health, name),
            picture_every=table.picture_every,
        )

    def _fit_board(self, table: MqttTable | None) -> None:
        if self._board is not None and self._board[0] != table:
            board = self._board[1]
            board.close()
            if dropped := board.state.dropped:
                self._tell(Event("sink", f"MQTT: {dropped} events were dropped while there was no connection"))
            self._board, self._connected = None, False
        if table is not None and self._board is None:
            self._board = (table, _board_of(table, self._told("")))


def health_of(status: CameraStatus | None) -> Health:
    """Return how a camera does; None of one whose model does not run just now."""
    if status is None:
        return Health(0.0, online=False, problem="its model is begun anew")
    problem = "" if status.up else status.source.why or "it is being opened"
    return Health(status.detect_fps, online=status.up, problem=problem)


def _pictures(table: SinksTable) -> list[tuple[Path | None, Literal["frames", "crops"]]]:
    return [(table.snapshots, "frames"), (table.crops, "crops")]


def _board_of(table: MqttTable, told: Callable[[str], None]) -> MqttBoard:
    password = os.environ.get("YOLORKNN_MQTT_PASSWORD", "")
    if table.password_file is not None:
        password = read_secret(f"@{table.password_file}", "password_file")
    port = table.port or PORTS["mqtts" if table.tls else "mqtt"]
    address = Address(table.host, port, table.tls, table.user, password, table.prefix)
    return MqttBoard(address, board=table.board, discovery=table.discovery, told=told)
