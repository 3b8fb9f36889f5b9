"""The page of a site, and what it is shown with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yolorknn.live.watcher import Watcher
from yolorknn.serve.address import token_of
from yolorknn.serve.hub import Hub
from yolorknn.serve.page import Page
from yolorknn.site.events import Event, Tell
from yolorknn.site.tables import PageTable
from yolorknn.stream.sinks.sink import Sink
from yolorknn.tasks.task import Wording


class SitePage:
    """A page where a site asks for one; it stays while it is asked for as it is, whatever cameras come and go."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._table: PageTable | None = None
        self._page: Page | None = None
        self._hub: Hub | None = None

    @property
    def hub(self) -> Sink | None:
        """What is to be given every result; None without a page."""
        return self._hub

    def tell(self, event: Event) -> None:
        """Have an event seen there."""
        if (hub := self._hub) is not None:
            hub.tell(event.text)

    def know(self, table: PageTable | None, words: Mapping[str, Wording]) -> None:
        """Take the results of these cameras from now on."""
        if table is None or (self._table is not None and table != self._table):
            self.close()
        if table is not None and self._hub is None:
            self._hub = Hub(words)
        elif self._hub is not None:
            self._hub.fit(words)
        self._table = table

    def show(self, watchers: Sequence[Watcher]) -> None:
        """Show these.

        Raises:
            OutputError: the address cannot be had, or others could reach it without a token.
            MissingDependencyError: what serves is not installed.
        """
        if self._table is None or self._hub is None:
            return
        if self._page is not None and self._page.alive:
            self._page.fit(watchers)
            return
        if self._page is not None:
            self._page.stop()
        table, token = self._table, token_of(self._table.token_file, "token_file")
        self._page = None
        page = Page(watchers, self._hub, host=table.host, port=table.port, token=token)
        page.start()
        self._page = page
        self._tell(Event("page", f"the page is at {page.url}"))

    @property
    def failed(self) -> bool:
        """Whether it is not served any more."""
        return self._page is not None and not self._page.alive

    def close(self) -> None:
        """End it; a second call does nothing."""
        if self._page is not None:
            self._page.stop()
        if self._hub is not None:
            self._hub.close()
        self._page = self._hub = self._table = None
