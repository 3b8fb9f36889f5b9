"""A site that is watched: begun, looked after, changed when its file is, and ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from yolorknn.errors import SiteError, SourceError, YolorknnError
from yolorknn.live.camera import CameraStatus, Epochs
from yolorknn.runtime.memory import share_arena
from yolorknn.site.broker import health_of
from yolorknn.site.events import Event, Tell
from yolorknn.site.notify import Notifier
from yolorknn.site.opened import Open, open_table
from yolorknn.site.page import SitePage
from yolorknn.site.part import ModelPart
from yolorknn.site.parts import Parts
from yolorknn.site.read import read_site
from yolorknn.site.restarts import Opening, Restarts
from yolorknn.site.sinks import SiteSinks
from yolorknn.site.tables import ModelTable, Site, changes
from yolorknn.site.trial import try_table

LOOK = 2.0
"""Seconds between two looks at the files of models."""
SLICE = 0.2
"""Seconds that a request to change may wait."""


class Keeper:
    """Watches a site, and keeps it so.

        with Keeper(site, tell=print) as keeper:
            keeper.run(lambda: False)

    Args:
        site: what is watched.
        file: where it is read anew by reload(); None for a site that was not read from a file.
        tell: told what happens, from any thread.
        notifier: the service manager.
        opened: opens a model.
        tried: tries one, before it is opened beside what runs.

    Raises:
        YolorknnError: at its begin, what ends it: a model or sink that cannot be opened.
    """

    def __init__(
        self,
        site: Site,
        *,
        file: Path | None = None,
        tell: Tell,
        notifier: Notifier | None = None,
        opened: Open = open_table,
        tried: Callable[[ModelTable, Callable[[], None]], None] = try_table,
        restarts: Restarts | None = None,
    ) -> None:
        self.site, self._file, self._tried = site, file, tried
        self._page = SitePage(tell)

        def tell_all(event: Event) -> None:
            tell(event)
            self._page.tell(event)

        self._tell = tell_all
        self._notifier, self._restarts = notifier or Notifier({}), restarts or Restarts()
        self._sinks = SiteSinks(tell_all, lambda camera: health_of(self.status().get(camera)), self._say_how_it_is)
        epochs: Epochs = {}

        def part(name: str) -> ModelPart:
            return ModelPart(name, self._sinks, tell_all, opened, self._try, epochs=epochs)

        self._parts = Parts(part, self._try, tell_all, self._restarts)
        self._again: float | None = None
        self._opening = Opening(tell_all)
        self._looked = 0.0

    def __enter__(self) -> Keeper:
        share_arena()
        try:
            self._parts.begin(self.site.models)
            self._fit(strict=True)
        except BaseException:
            self.close()
            raise
        count = len(self.site.cameras)
        self._tell(Event("begun", f"{count} camera{'s' if count != 1 else ''} watched"))
        self._notifier.ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._notifier.stopping()
        self.close()

    def run(self, changed: Callable[[], bool]) -> None:
        """Look after it until every source is a file and at its end.

        Args:
            changed: whether the file is to be read anew; asked often.

        Raises:
            RestartsError: a part failed too often.
            SourceError: of a source nothing could be read.
        """
        while not self.ended:
            if changed():
                self.reload()
            self.tick()
            time.sleep(SLICE)
        if unread := self._parts.unread():
            raise SourceError(f"nothing could be read of {'; '.join(unread)}")

    @property
    def ended(self) -> bool:
        """Whether every source was a file, and is at its end."""
        return self._parts.ended

    def status(self) -> dict[str, CameraStatus]:
        """Return how every camera is, by name; without those of a model that does not run just now."""
        return self._parts.status()

    def tick(self) -> None:
        """Look once after everything, and begin anew what failed.

        Raises:
            RestartsError: a part failed too often.
        """
        now = time.monotonic()
        if begun := self._parts.mend(self.site.models):
            self._refit()
        for name in begun:
            self._tell(Event("restart", f"model {name} is begun anew"))
        self._mend(now)
        if now - self._looked >= LOOK:
            self._looked = now
            if self._parts.look():
                self._refit()
        self._say_how_it_is()

    def reload(self) -> bool:
        """Read the file anew, and change to what it says; with a mistake or a bad new model, all goes on as it was.

        Returns:
            Whether it changed.
        """
        if self._file is None:
            return False
        self._notifier.reloading()
        try:
            site = read_site(self._file)
            new = self._parts.beside(site.models)
        except SiteError as exc:
            for mistake in exc.mistakes:
                self._tell(Event("reload", mistake, "error"))
            self._tell(Event("reload", f"{self._file} is not taken: all goes on as it was", "error"))
            return False
        else:
            self._change(site, new)
            return True
        finally:
            self._notifier.ready()

    def _change(self, site: Site, new: Mapping[str, ModelPart]) -> None:
        before = self.site
        self.site = replace(site, models=self._parts.change(site.models, new))
        self._refit()
        self._tell(Event("reload", f"the site is read anew: {changes(before, self.site)}"))

    def close(self) -> None:
        """End everything, and wait for it; a second call does nothing."""
        self._sinks.ending()
        self._parts.close()
        self._page.close()
        self._sinks.close()

    def _try(self, table: ModelTable) -> None:
        self._tried(table, self._say_how_it_is)

    def _fit(self, *, strict: bool = False) -> None:
        """Have the sinks, and then the cameras, that the site has."""
        running = self._parts.running
        for part in running.values():  # before another begins with the camera, and sinks have its classes
            part.leave(self.site)
        models, masks = {name: self.site.model_of(name) for name in self.site.cameras}, self.site.sinks.masks
        words = {name: running[model].words(masks) for name, model in models.items() if model in running}
        try:
            self._page.know(self.site.page, words)
            self._sinks.page = self._page.hub
            self._sinks.fit(self.site, words)
        finally:
            for part in running.values():
                part.begin(self.site, strict=strict)
            self._page.show([part.watcher for part in running.values() if part.watcher is not None])

    def _refit(self) -> None:
        try:
            self._fit()
        except YolorknnError as exc:
            self._again = self._opening.failed(str(exc))
        else:
            self._opening.done()

    def _mend(self, now: float) -> None:
        """Open anew the sinks, or the page, that failed, after a while."""
        if self._again is not None:
            if now >= self._again:
                self._again = None
                self._refit()
        elif why := "; ".join(self._sinks.failed.values()):
            self._tell(Event("sink", f"{why}; it is opened anew", "error"))
            self._again = now + self._restarts.wait("what results go to", why)
        elif self._page.failed:
            self._again = self._opening.failed("the page ended")

    def _say_how_it_is(self) -> None:
        statuses = self.status().values()
        up = sum(status.up for status in statuses)
        fps = sum(status.detect_fps for status in statuses)
        self._notifier.status(f"{up} of {len(self.site.cameras)} cameras up, {fps:.0f} frames/s")
        get_on = [part.gets_on() for part in self._parts]  # each is to be asked
        if all(get_on):
            self._notifier.progress()
