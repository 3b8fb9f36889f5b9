"""A stand-in for an adb server with boards attached: it speaks adb's own protocol, as far as rknn-toolkit2 uses it.

`python tests/fakes/adb.py` listens on ANDROID_ADB_SERVER_PORT. FAKE_ADB_DEVICES: lines of `adb devices`. FAKE_ADB_LOG:
file for the requests, one a line.
"""

from __future__ import annotations

import os
import socket
import socketserver
from pathlib import Path

SHELL = {
    "cat /proc/device-tree/compatible": b"radxa,rock-5b\0rockchip,rk3588\0",
    "cat /proc/version": b"Linux version 5.10.160-rockchip\n",
    "uname -m": b"aarch64\n",
}


class Handler(socketserver.BaseRequestHandler):
    """One connection: requests of four hex digits and as many bytes, each answered OKAY or FAIL."""

    request: socket.socket

    def handle(self) -> None:
        """Answer until a service, such as a shell, has taken over the connection."""
        while length := self.request.recv(4, socket.MSG_WAITALL):
            asked = self.request.recv(int(length, 16), socket.MSG_WAITALL).decode()
            with Path(os.environ["FAKE_ADB_LOG"]).open("a") as log:
                log.write(asked + "\n")
            if not self.answer(asked):
                return

    def answer(self, asked: str) -> bool:
        """Answer one request; return whether another may follow."""
        match asked.split(":", 2):
            case ["host", "version"]:
                self.okay("0028")
            case ["host", "devices"]:
                self.okay(os.environ["FAKE_ADB_DEVICES"])
            case ["host", "connect", _]:
                self.okay("failed to connect")
            case ["host", "transport", *_] | ["host", "transport-any"]:
                self.okay()
                return True
            case [_, *rest] if "features" in rest[-1]:
                self.okay("")
            case ["root", _]:
                self.okay()
                self.request.sendall(b"adbd is already running as root\n")
            case ["shell", *command]:
                self.okay()
                self.request.sendall(SHELL.get(":".join(command), b""))
            case _ if "forward" in asked:  # done, and it worked
                self.okay()
                self.okay()
            case _:
                text = f"not in the stand-in: {asked}".encode()
                self.request.sendall(b"FAIL%04x" % len(text) + text)
        return False

    def okay(self, text: str | None = None) -> None:
        """Say OKAY, and a text with its length."""
        self.request.sendall(b"OKAY" + (b"" if text is None else b"%04x%s" % (len(text), text.encode())))


class Server(socketserver.ThreadingTCPServer):
    """On the loopback, so that it ends with its process."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["ANDROID_ADB_SERVER_PORT"])), Handler).serve_forever()
