"""A real sshd on loopback, whose logins land on the emulated board: its Python, a home of its own, its own PATH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fakes.emulated_board import BOARD
from tests.fakes.waiting import until

SSHD = "/usr/sbin/sshd"
LOGIN = """#!/bin/sh
set -a
{settings}
set +a
cd "$HOME" && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def unavailable() -> str:
    """Return why no sshd can be started here; empty if it can."""
    if not os.access(SSHD, os.X_OK):
        return f"there is no {SSHD}"
    if not (BOARD / "bin/python3").exists():
        return f"no emulated board with a bare Python in {BOARD}: sh scripts/board-emulator.sh"
    return ""


class Sshd:
    """The server and its keys, in a folder; `environment` is what the next logins have."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.home, self.bin = folder, folder / "home of the board", folder / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{BOARD / 'bin'}:/usr/bin:/bin",
            "PIP_NO_COMPILE": "1",  # slow under qemu
            "PIP_NO_INDEX": "1",
        }
        for name in ("host", "key", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        settings = f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey "{folder}/host"
AuthorizedKeysFile "{folder}/authorized_keys"
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
ForceCommand {folder}/login
"""
        (folder / "config").write_text(settings)
        public = (folder / "host.pub").read_text()
        (folder / "known_hosts").write_text(f"board {public}")
        self.set()
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=log)
        until(self._listens, by=self._process)

    def _listens(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def host(self) -> str:
        """Login and host alias."""
        return f"{getpass.getuser()}@board"

    def options(self, key: str = "key") -> list[str]:
        """Return what makes ssh take `board` for this server, and one of the keys for the user's."""
        return [
            "HostName=127.0.0.1",
            "HostKeyAlias=board",
            f"UserKnownHostsFile={self.folder}/known_hosts",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "BatchMode=yes",
            f"IdentityFile={self.folder}/{key}",
        ]

    def set(self, **values: str) -> None:
        """Add to the environment of the next logins."""
        self.environment |= values
        lines = "\n".join(f"{name}='{value}'" for name, value in self.environment.items())
        login = self.folder / "login"
        login.write_text(LOGIN.format(settings=lines))
        login.chmod(0o755)

    def command(self, name: str, script: str) -> None:
        """Give the board a command."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait(10)


def name_boards(folder: Path, servers: Mapping[str, Sshd], *, away: Sequence[str] = ()) -> None:
    """Have folder/ssh take these names for these servers; those that are away refuse it."""
    text = ""
    for name, server in servers.items():
        options = [option.replace("=", " ", 1) for option in server.options()]
        text += "\n    ".join([f"Host {name}", f"Port {9 if name in away else server.port}", *options]) + "\n"
    (folder / "ssh_config").write_text(text)
    (folder / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/ssh_config "$@"\n')
    (folder / "ssh").chmod(0o755)
