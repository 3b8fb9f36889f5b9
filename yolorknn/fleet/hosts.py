"""Which boards there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from yolorknn.errors import DeployError
from yolorknn.files import decoded
from yolorknn.text import reason_of

MOST_BYTES = 1 << 20


def read_hosts(path: Path) -> list[str]:
    """Return the boards that a file names, one a line, as ssh takes them; what follows a # is a comment.

    Raises:
        DeployError: it cannot be read, or names none, one twice, or what is none.
    """
    try:
        with path.open("rb") as file:
            lines = decoded(file.read(MOST_BYTES)).splitlines()
    except (OSError, ValueError) as exc:
        raise DeployError(f"cannot read the boards of {path}: {reason_of(exc)}") from exc
    hosts = [host for line in lines if (host := line.partition("#")[0].strip())]
    if not hosts:
        raise DeployError(f"{path} names no board: write user@address, or a name of ~/.ssh/config, a line")
    check_hosts(hosts)
    return hosts


def check_hosts(hosts: Sequence[str]) -> None:
    """Refuse boards that ssh would take for something else, and those that are named twice.

    Raises:
        DeployError: one is.
    """
    for host, times in Counter(hosts).items():
        if host.startswith("-") or len(host.split()) != 1:
            raise DeployError(f"'{host}' is no board: it is user@address, or a name of ~/.ssh/config")
        if times > 1:
            raise DeployError(f"{host} is named {times} times: name each board once")
