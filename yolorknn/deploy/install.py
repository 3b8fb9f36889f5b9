"""What is found out about a board before anything is done to it, and what is then installed on it."""

from __future__ import annotations

import json
import posixpath
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.wheels import fetch, wheel_version
from yolorknn.errors import DeployError

# Runs under any Python 3: it must be able to say that it is too old.
_PROBE = """
import getpass, grp, json, os, platform, sys
try:
    import ensurepip, venv
except ImportError:
    ensurepip = None
def known(name):
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False
print(json.dumps(dict(
    command=sys.executable, python=sys.version_info[:2],
    machine=platform.machine(), bits=64 if sys.maxsize > 2**32 else 32, libc=platform.libc_ver(),
    venv=ensurepip is not None, home=os.path.expanduser("~"), user=getpass.getuser(),
    root=os.getuid() == 0, groups=[name for name in ("video", "render") if known(name)])))
"""
_STATE = """
import importlib.metadata, importlib.util, json, sys
try:
    version = importlib.metadata.version("yolorknn")
except importlib.metadata.PackageNotFoundError:
    version = None
print(json.dumps([sys.version_info[:2], importlib.util.find_spec("pip") is not None, version]))
"""
_NO_INTERNET = (
    "Temporary failure in name resolution",
    "Failed to establish a new connection",
    "Network is unreachable",
    "Connection refused",
    "timed out",
    "No matching distribution found",
)


OWN = ".venv/bin/python"
"""The Python that yolorknn is installed for, below the folder."""


@dataclass(frozen=True)
class Board:
    """A board that yolorknn can be installed on."""

    command: str
    """Absolute path of its Python."""
    python: tuple[int, int]
    glibc: int
    """Minor version: 36 for glibc 2.36."""
    home: str
    user: str
    root: bool
    groups: tuple[str, ...]
    """Of video and render, those that it has: who is in them may use cameras and the NPU."""


@dataclass(frozen=True)
class Installed:
    """Where things are on the board."""

    folder: str
    """Absolute; holds .venv, the model and the samples."""
    model: str
    """Name of the .rknn in it."""


def probe(remote: Remote, python: str) -> Board:
    """Find out what the board is.

    Args:
        remote: the connection.
        python: the command there.

    Raises:
        DeployError: yolorknn does not run there; the command that mends it is in the text.
    """
    done = remote.run(python, "-c", _PROBE, show=f"{shlex.quote(python)} -c ...  # version, architecture, home folder")
    host = remote.host
    if done.status in (126, 127):
        raise DeployError(f"{host} has no {python}: run there 'sudo apt install python3-venv', or give its --python")
    remote.check(done, f"{python} -c ...")
    facts = _json(done, host)
    version = ".".join(map(str, facts["python"]))
    if facts["machine"] != "aarch64" or facts["bits"] != 64:
        kind = f"{facts['machine']}, {facts['bits']} bit"
        raise DeployError(f"{host} has a Python for {kind}: rknn-toolkit-lite2 needs a 64-bit ARM system (aarch64)")
    if not (3, 10) <= tuple(facts["python"]) <= (3, 12):
        raise DeployError(
            f"{host} has Python {version}, the vendor's wheels are for 3.10 to 3.12: run there 'curl -LsSf "
            "https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv python install 3.12', then deploy with "
            "--python .local/bin/python3.12"
        )
    if not facts["venv"]:
        raise DeployError(f"the Python of {host} cannot make a venv: run there 'sudo apt install python{version}-venv'")
    minor = str(facts["libc"][1]).partition(".")[2]
    return Board(
        command=facts["command"],
        python=(facts["python"][0], facts["python"][1]),
        glibc=int(minor) if minor.isdecimal() else 28,
        home=facts["home"],
        user=facts["user"],
        root=facts["root"],
        groups=tuple(facts["groups"]),
    )


def absolute(board: Board, folder: str) -> str:
    """Return a folder of the board as an absolute path; a relative one, and one with ~, is below its home."""
    return posixpath.normpath(posixpath.join(board.home, folder.removeprefix("~/") if folder != "~" else ""))


def install(remote: Remote, board: Board, folder: str, wheel: Path, *, offline: bool) -> None:
    """Install a wheel into folder/.venv, which is made if it is not there; one that has it already is left alone.

    Args:
        remote: the connection.
        board: what it is.
        folder: absolute, exists.
        wheel: of board_wheel.
        offline: fetch all it needs on this PC, and carry it there.

    Raises:
        DeployError: a step failed; a board without internet is pointed to --offline.
    """
    state = remote.run(OWN, "-c", _STATE, folder=folder, show=f"{OWN} -c ...  # what is installed")
    version, pip, has = _json(state, remote.host) if state.status == 0 else ([], False, None)
    if tuple(version) != board.python or not pip:
        remote.check(remote.run(board.command, "-m", "venv", "--clear", ".venv", folder=folder), "making the venv")
        has = None
    if has == wheel_version(wheel):
        return
    wheels = fetch(wheel, wheel.parent, python=board.python, glibc=board.glibc) if offline else [wheel]
    remote.send({f"wheels/{path.name}": path for path in wheels}, folder)
    words = [OWN, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    words += ["--no-index", "--find-links", "wheels"] if offline else []
    done = remote.run(*words, f"wheels/{wheel.name}", folder=folder)
    said = done.stdout + done.stderr
    if done.status != 0 and "CERTIFICATE_VERIFY_FAILED" in said:
        raise DeployError(f"pip on {remote.host} trusts no certificate, mostly as its clock is wrong: see 'date' there")
    if done.status != 0 and not offline and any(sign in said for sign in _NO_INTERNET):
        raise DeployError(f"pip on {remote.host} cannot fetch packages: {done.reason}; without internet, add --offline")
    remote.check(done, "pip install")


def _json(done: Done, host: str) -> Any:
    """Return what a command printed last; a shell's start-up files may have printed before it."""
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise DeployError(f"{host} answered nonsense instead of JSON: {done.stdout.strip()[-200:]!r}") from None
