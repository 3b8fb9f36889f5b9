"""What is found out about a board before anything is done to it."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass

from yolorknn.deploy.answers import answered, path_of, text_of, user_of, version_of
from yolorknn.deploy.ssh import Remote
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
    facts = remote.answer(done)
    with answered(remote, facts):
        machine, bits = text_of(facts["machine"]), int(facts["bits"])
        numbers, venv = version_of(facts["python"]), bool(facts["venv"])
        minor = str(facts["libc"][1]).partition(".")[2]
        board = Board(
            command=path_of(facts["command"]),
            python=numbers,
            glibc=int(minor) if re.fullmatch(r"\d{1,3}", minor, re.ASCII) else 28,
            home=path_of(facts["home"]),
            user=user_of(facts["user"]),
            root=bool(facts["root"]),
            groups=tuple(map(user_of, facts["groups"])),
        )
    version = ".".join(map(str, numbers))
    if machine != "aarch64" or bits != 64:
        kind = f"{machine}, {bits} bit"
        raise DeployError(f"{host} has a Python for {kind}: rknn-toolkit-lite2 needs a 64-bit ARM system (aarch64)")
    if numbers < (3, 10):
        raise DeployError(
            f"{host} has Python {version}, yolorknn needs 3.10 or later: run there 'curl -LsSf "
            "https://astral.sh/uv/install.sh | sh && ~/.local/bin/uv python install 3.12', then deploy with "
            "--python .local/bin/python3.12"
        )
    if not venv:
        raise DeployError(f"the Python of {host} cannot make a venv: run there 'sudo apt install python{version}-venv'")
    return board


def absolute(board: Board, folder: str) -> str:
    """Return a folder of the board as an absolute path; a relative one, and one with ~, is below its home."""
    return posixpath.normpath(posixpath.join(board.home, from_home(folder)))


def from_home(folder: str) -> str:
    """Return a folder of a board as it is named in its home, where a login begins."""
    return "." if folder == "~" else folder.removeprefix("~/")
