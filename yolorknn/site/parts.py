"""The models of a site: opened, tried before one joins those that run, and begun anew where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from yolorknn.errors import SiteError, YolorknnError
from yolorknn.live.camera import CameraStatus
from yolorknn.site.events import Event, Tell
from yolorknn.site.part import ModelPart
from yolorknn.site.restarts import Restarts
from yolorknn.site.tables import ModelTable


class Parts:
    """The models of a site, each with its cameras; changed by one thread.

    Args:
        make: makes a part of a model's name.
        tried: raises a ModelError of a model that is not to be opened beside what runs.
        tell: told what happens.
        restarts: counts failures.
    """

    def __init__(
        self,
        make: Callable[[str], ModelPart],
        tried: Callable[[ModelTable], None],
        tell: Tell,
        restarts: Restarts,
    ) -> None:
        self._make, self._tried, self._tell, self._restarts = make, tried, tell, restarts
        self._parts: dict[str, ModelPart] = {}

    def __iter__(self) -> Iterator[ModelPart]:
        """Give each that there is now; from any thread, as the broker's asks how cameras do."""
        return iter(list(self._parts.values()))

    def begin(self, models: Mapping[str, ModelTable]) -> None:
        """Open all.

        Raises:
            YolorknnError: one cannot be.
        """
        for name, table in models.items():
            part = self._parts[name] = self._make(name)
            part.open(table)

    @property
    def running(self) -> dict[str, ModelPart]:
        """Those whose model is open."""
        return {name: part for name, part in self._parts.items() if part.loaded is not None}

    @property
    def ended(self) -> bool:
        """Whether every source was a file, and is at its end."""
        return all(part.ended and not part.again_at for part in self)

    def status(self) -> dict[str, CameraStatus]:
        """Return how every camera is, by name; without those of a model that does not run just now."""
        watchers = [watcher for part in self if (watcher := part.watcher) is not None]
        return {status.name: status for watcher in watchers for status in watcher.status()}

    def unread(self) -> list[str]:
        """Return the sources that are at their end and gave no frame, and why."""
        return [
            f"{name}: {status.source.why or status.source.source}"
            for name, status in self.status().items()
            if status.source.state == "ended" and not status.source.frames["read"]
        ]

    def look(self) -> bool:
        """Look at the files of models; tell whether another one was taken over."""
        taken = [part.look() for part in self.running.values()]  # each is to be asked
        return any(taken)

    def mend(self, models: Mapping[str, ModelTable]) -> list[str]:
        """Note what failed, and open what is due; return the names of what is to be watched with anew.

        Raises:
            RestartsError: a part failed too often.
        """
        now, begun = time.monotonic(), []
        for part in self:
            if why := part.failure():
                self._failed(part, why)
            elif part.again_at and now >= part.again_at:
                try:
                    part.open(models[part.name])
                    begun.append(part.name)
                except YolorknnError as exc:
                    self._failed(part, exc)
        return begun

    def beside(self, models: Mapping[str, ModelTable]) -> dict[str, ModelPart]:
        """Open those of the models that are new, each tried first; what runs is as it was.

        Raises:
            SiteError: one is no good; none is open.
        """
        new: dict[str, ModelPart] = {}
        for name in [name for name in models if name not in self._parts]:
            try:
                self._tried(models[name])
                new[name] = self._make(name)
                new[name].open(models[name])
            except BaseException as exc:
                for part in new.values():
                    part.close()
                if isinstance(exc, YolorknnError):
                    raise SiteError([f"models.{name}: {exc}"]) from exc
                raise
        return new

    def change(self, models: Mapping[str, ModelTable], new: Mapping[str, ModelPart]) -> dict[str, ModelTable]:
        """Have these models, of which `new` are open; return their tables as they run.

        Raises:
            RestartsError: a part failed too often.
        """
        for name in self._parts.keys() - models.keys():
            self._parts.pop(name).close()
        self._parts.update(new)
        run = dict(models)
        for part in self:
            table = models[part.name]
            try:
                if part.loaded is None:
                    part.open(table)
                elif part.table != table and not part.renew(table):
                    assert part.table is not None
                    run[part.name] = part.table
            except YolorknnError as exc:
                self._failed(part, exc)
        return run

    def close(self) -> None:
        """End all; a second call does nothing."""
        for part in self:
            part.close()

    def _failed(self, part: ModelPart, why: object) -> None:
        self._tell(Event("restart", f"model {part.name}: {why}; it is begun anew", "error"))
        part.close()
        part.again_at = time.monotonic() + self._restarts.wait(f"model {part.name}", why)
