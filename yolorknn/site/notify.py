"""What systemd is told, as sd_notify(3) has it."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

SELDOM = 5.0
"""Seconds between two of the same kind."""


class Notifier:
    """Tells the service manager that started this process; without one, nobody.

    Args:
        environment: has NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID where there is one.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        given = environment.get("WATCHDOG_USEC", "")
        self.watchdog: float | None = int(given) / 1e6 if mine and given.isdecimal() and int(given) else None
        """Seconds in which it is to be told of progress; None where nobody waits for it."""
        self._status = ""
        self._said = self._told = float("-inf")

    def ready(self) -> None:
        """Tell that what was to begin has."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Tell that what is watched changes; ready() ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Tell that it ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Tell how it is, in a line; the same is told once, and another one so seldom that it costs nothing."""
        now = time.monotonic()
        if text != self._status and now - self._said >= SELDOM:
            self._status, self._said = text, now
            self._send(f"STATUS={text}")

    def progress(self) -> None:
        """Tell that there was progress; so seldom that it costs nothing."""
        now = time.monotonic()
        if self.watchdog is not None and now - self._told >= min(self.watchdog / 4, SELDOM):
            self._told = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(1.0)
            link.sendto("\n".join(lines).encode(), self._address)
