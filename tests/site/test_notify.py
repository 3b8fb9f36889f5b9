"""What systemd is told, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from yolorknn.site.notify import Notifier


@pytest.fixture
def link(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "n"))
        made.settimeout(5)
        yield made


def test_what_is_sent(link: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": link.getsockname(), "WATCHDOG_USEC": "30000000"})
    assert notifier.watchdog == 30
    notifier.ready()
    notifier.status("a")
    notifier.status("a")
    notifier.progress()
    notifier.progress()
    notifier.reloading()
    notifier.stopping()
    sent = [link.recv(999).decode() for _ in range(5)]
    assert sent[:3] == ["READY=1", "STATUS=a", "WATCHDOG=1"] and sent[4] == "STOPPING=1"
    assert sent[3].startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        name = f"\0yolorknn-{os.getpid()}"
        made.bind(name)
        Notifier({"NOTIFY_SOCKET": f"@{name[1:]}"}).ready()
        made.settimeout(5)
        assert made.recv(99) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"NOTIFY_SOCKET": "/nowhere"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}],
)
def test_nobody_hears(environment: dict[str, str]) -> None:
    notifier = Notifier(environment)
    notifier.ready()
    notifier.progress()
    assert notifier.watchdog is None
