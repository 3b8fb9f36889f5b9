"""Page: what is watched, in a browser and for programs, served from a thread of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import platform
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yolorknn.errors import MissingDependencyError, OutputError
from yolorknn.live.watcher import Watcher
from yolorknn.serve.address import check_address
from yolorknn.serve.hub import Hub
from yolorknn.serve.watched import Watched
from yolorknn.text import reason_of

if TYPE_CHECKING:
    import uvicorn

    from yolorknn.serve.streams import Streams

MOST_CONNECTIONS = 128
SEND_BUFFER = 1 << 17
"""Bytes of a connection that the kernel keeps: what one who looks slowly sees is not older than that."""


class Page:
    """Serves the page, /api/v1, /metrics, /healthz and /readyz.

        hub = Hub({"door": Wording.of(detector.metadata)})
        with Watcher(detector, [Camera("door", "rtsp://...")], [hub]) as watcher, Page(watcher, hub, port=8080) as page:
            print(page.url)

    Args:
        watcher: started; or several, where cameras have different models.
        hub: among the sinks of each.
        host: the address that is listened on.
        port: 0 for one that is free.
        token: what everybody must give; at least 16 characters. None where only this machine can ask.

    Raises:
        MissingDependencyError: what serves is not installed.
        OutputError: without a token on an address that others reach, a token that is too short, or in no header.
    """

    def __init__(
        self,
        watcher: Watcher | Sequence[Watcher],
        hub: Hub,
        *,
        host: str = "127.0.0.1",
        port: int,
        token: str | None = None,
    ) -> None:
        check_address(host, token)
        for package in ("starlette", "uvicorn", "prometheus_client"):
            if importlib.util.find_spec(package) is None:
                raise MissingDependencyError(package.replace("_", "-"), "serve", "the page")
        watchers = [watcher] if isinstance(watcher, Watcher) else watcher
        self._watched, self._host, self._port, self._token = Watched(watchers, hub), host, port, token
        self._server: uvicorn.Server | None = None
        self._streams: Streams
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is, after start()."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def start(self) -> None:
        """Listen; a second call does nothing.

        Raises:
            OutputError: the address cannot be had.
        """
        if self._thread is not None:
            return
        self._socket = _listening(self._host, self._port)
        self._server = self._made()
        self._thread = threading.Thread(target=self._run, name="yolorknn-page", daemon=True)
        self._thread.start()

    def fit(self, watchers: Sequence[Watcher]) -> None:
        """Show these from now on, in place of those before; they are started."""
        self._watched.fit(watchers)

    @property
    def alive(self) -> bool:
        """Whether it is served."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Let everybody go, and end its thread; a second call does nothing."""
        if self._thread is None or self._server is None or self._socket is None:
            return
        self._server.should_exit = True
        self._streams.stop()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Page:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _made(self) -> uvicorn.Server:
        import uvicorn

        from yolorknn.serve.app import build_app
        from yolorknn.serve.protocol import Protocol, is_fault
        from yolorknn.serve.streams import Streams

        self._streams = Streams()
        facts: dict[str, Any] = {"host": platform.node()}
        config = uvicorn.Config(
            build_app(self._watched, self._streams, self._token, facts),
            http=Protocol,
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level="error",  # anybody can send what is no HTTP, and a line for each would be a log full of them
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who asks through a server before it could give a new address with each wrong token
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
        )
        logging.getLogger("uvicorn.error").addFilter(is_fault)  # the same one is added once
        return uvicorn.Server(config)

    def _run(self) -> None:
        assert self._server is not None and self._socket is not None
        with contextlib.suppress(SystemExit):
            self._server.run([self._socket])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as exc:
        raise OutputError(f"there is no address {host}:{port} to serve the page on: {exc}") from exc
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        opened.bind(address)
        opened.listen(MOST_CONNECTIONS)
    except (OSError, OverflowError) as exc:
        opened.close()
        raise OutputError(
            f"cannot serve the page on {host}:{port}: {reason_of(exc)}; give another port or address"
        ) from exc
    return opened
