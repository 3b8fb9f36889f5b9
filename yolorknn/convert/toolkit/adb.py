"""Boards attached over adb, the one that rknn-toolkit2 brings: which are there; a server while one is used."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from yolorknn.errors import BackendError
from yolorknn.toolkits.installed import Installed

COMMAND_SECONDS = 20.0
"""For one adb command: they answer at once, or the server that they talk to hangs."""
SERVER_SECONDS = 10.0
"""For a server of ours to listen: it looks through the USB bus first."""


def executable(toolkit: Installed) -> Path:
    """Return the adb that an rknn-toolkit2 runs.

    Raises:
        BackendError: it has none for this machine.
    """
    for path in sorted(toolkit.packages.glob(f"rknn/3rdparty/platform-tools/adb/*{os.uname().machine}*/adb")):
        return path
    raise BackendError(f"rknn-toolkit2 {toolkit.version} brings no adb for {os.uname().machine}: use a PC (x86_64)")


@contextlib.contextmanager
def server(adb: Path) -> Iterator[None]:
    """Have an adb server run for the length of the block: the one that runs already, or one that ends with us.

    rknn-toolkit2's adb commands would start one that outlives them, and replace one of another version.

    Args:
        adb: the toolkit's; see executable().

    Raises:
        BackendError: the one that runs is of another version, or none starts.
    """
    running = _server_version()
    ours = _own_version(adb)
    if running is not None:
        if running != ours:
            raise BackendError(
                f"the adb server that runs here is of protocol version {running}, rknn-toolkit2's adb of {ours}, which "
                "would replace it: end it with 'adb kill-server', then try again"
            )
        try:
            yield
        finally:  # what rknn-toolkit2 leaves behind when its process is ended
            _run(adb, "forward", "--remove", "localabstract:transfer_proxy")
        return
    # The shell waits for the end of its input, which is our end too, however we end, and then ends the server.
    script = '"$0" nodaemon server </dev/null & read _; kill $!; wait'
    shell = subprocess.Popen(
        ["sh", "-c", script, str(adb)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C is for us
    )
    try:
        until = time.monotonic() + SERVER_SECONDS
        while _server_version() is None:
            if time.monotonic() > until:
                raise BackendError(f"the adb server does not start: see what '{adb} nodaemon server' says")
            time.sleep(0.05)
        yield
    finally:
        assert shell.stdin is not None
        shell.stdin.close()
        shell.wait()


def select(device_id: str | None, adb: Path) -> str:
    """Return the id of the board to use, while a server runs.

    Args:
        device_id: an id as `adb devices` prints it, or HOST:PORT of a board whose adb listens on the network; None for
            the only one attached.
        adb: the toolkit's; see executable().

    Raises:
        BackendError: it is not attached, or not usable; or none or several are and no id is given.
    """
    if device_id is not None and re.fullmatch(r"[\w.-]+:\d+", device_id):
        _run(adb, "connect", device_id)  # that it failed shows in the list
    devices = dict(re.findall(r"^(\S+)\t(.+)$", _run(adb, "devices"), re.MULTILINE))
    seen = ", ".join(f"{name} ({state.strip()})" for name, state in devices.items())
    if not devices:
        wanted = f"no board {device_id}" if device_id else "no board"
        raise BackendError(
            f"adb finds {wanted}: connect its USB OTG port (on many boards the USB-C one), have adbd run on it, and "
            f"look at '{adb} devices'; a board on the network is --device-id HOST:5555"
        )
    if device_id is None and len(devices) > 1:
        raise BackendError(f"several boards are attached: choose one with --device-id: {seen}")
    selected = device_id or next(iter(devices))
    if selected not in devices:
        raise BackendError(f"adb finds no board {selected}: it sees {seen}")
    match devices[selected].split()[0]:
        case "device":
            return selected
        case "unauthorized":
            raise BackendError(f"board {selected} does not trust this PC: accept its key on the board, or restart adbd")
        case "no":  # "no permissions (...)"
            raise BackendError(
                f"this user may not open the USB device of board {selected}: add a udev rule for it "
                "('apt install android-sdk-platform-tools-common') and plug it in again, or run as root"
            )
        case state:
            raise BackendError(f"board {selected} is '{state}' to adb: restart adbd on it, or connect it again")


def _run(adb: Path, *arguments: str) -> str:
    command = [str(adb), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired as exc:
        raise BackendError(
            f"'{' '.join(command)}' gave no answer in {COMMAND_SECONDS:g} s: end the adb server with 'adb kill-server'"
        ) from exc
    if done.returncode != 0 and arguments == ("devices",):
        raise BackendError(f"'{' '.join(command)}' failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _own_version(adb: Path) -> int:
    """Return the last part of "Android Debug Bridge version 1.0.40", by which client and server know each other."""
    said = subprocess.run([adb, "version"], capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS).stdout
    found = re.search(r"version \d+\.\d+\.(\d+)", said)
    if found is None:
        raise BackendError(f"'{adb} version' does not say its version: {said.strip()}")
    return int(found[1])


def _server_version() -> int | None:
    """Ask the server, in adb's own protocol: four hex digits of length and the request; OKAY, a length, the answer."""
    named = os.environ.get("ANDROID_ADB_SERVER_PORT", "5037")
    if not re.fullmatch(r"\d{1,5}", named, re.ASCII):
        raise BackendError(f"ANDROID_ADB_SERVER_PORT is '{named}', which is no port")
    port = int(named)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=COMMAND_SECONDS) as link:
            link.sendall(b"000chost:version")
            answer = b"".join(iter(lambda: link.recv(64), b""))
    except ConnectionRefusedError:
        return None
    except (OSError, OverflowError) as exc:
        raise BackendError(f"the adb server on port {port} does not answer ({exc}): 'adb kill-server'") from exc
    if not re.fullmatch(rb"OKAY0004[0-9a-fA-F]{4}", answer):
        raise BackendError(f"what listens on port {port} is no adb server: set ANDROID_ADB_SERVER_PORT to another port")
    return int(answer[8:], 16)
