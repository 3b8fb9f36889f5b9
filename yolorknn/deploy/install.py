"""What is installed on a board: a virtual environment in a folder, and in it the package that runs here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from yolorknn.deploy.answers import answered, version_of
from yolorknn.deploy.probe import Board
from yolorknn.deploy.receive import EARLIER, MARK
from yolorknn.deploy.ssh import Remote
from yolorknn.deploy.supply import Supply
from yolorknn.deploy.wheels import wheel_version
from yolorknn.errors import DeployError

_STATE = """
import importlib.metadata, importlib.util, json, sys
try:
    version = importlib.metadata.version("yolorknn")
except importlib.metadata.PackageNotFoundError:
    version = None
print(json.dumps([sys.version_info[:2], importlib.util.find_spec("pip") is not None, version]))
"""
_ANOTHERS = 9
_MAKE = f"""
[ ! -e .venv ] || [ -e .venv/{MARK} ] || {EARLIER} || exit {_ANOTHERS}
rm -rf ./.yolorknn-incoming.*
[ ! -e .venv ] || mv .venv ./.yolorknn-incoming.venv || exit 1
rm -rf ./.yolorknn-incoming.*
mkdir .venv && touch .venv/{MARK} && "$1" -m venv .venv
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
class Installed:
    """Where things are on the board."""

    folder: str
    """Absolute; holds .venv, the model and the samples."""
    model: str
    """Name of the .rknn in it; empty where none is meant."""


def install(remote: Remote, board: Board, folder: str, supply: Supply) -> None:
    """Install yolorknn into folder/.venv, which is made if it is not there; one that has this very one is left alone.

    Args:
        remote: the connection.
        board: what it is.
        folder: absolute, exists.
        supply: of wheels.

    Raises:
        DeployError: a step failed; a board without internet is pointed to --offline.
    """
    state = remote.run(OWN, "-c", _STATE, folder=folder, show=f"{OWN} -c ...  # what is installed")
    version: tuple[int, int] | None = None
    pip, has = False, None
    if state.status == 0:
        answer = remote.answer(state)
        with answered(remote, answer):
            version, pip, has = version_of(answer[0]), bool(answer[1]), answer[2]
    if version != board.python or not pip or has is None:
        show = f"{shlex.quote(board.command)} -m venv --clear .venv  # unless there is one of another's"
        made = remote.run("sh", "-c", _MAKE, "sh", board.command, folder=folder, show=show)
        if made.status == _ANOTHERS:
            what = f"{folder}/.venv on {remote.host} is not of yolorknn's making"
            raise DeployError(f"{what}: move it away, or give another --folder")
        remote.check(made, "making the venv")
        has = None
    wheel = supply.wheel(board)
    if has == wheel_version(wheel):
        return
    wheels = supply.wheels(board)
    remote.send({f"wheels/{path.name}": path for path in wheels}, folder)
    words = [OWN, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    words += ["--no-index", "--find-links", "wheels"] if supply.offline else []
    done = remote.run(*words, f"wheels/{wheel.name}", folder=folder)
    said = done.stdout + done.stderr
    if done.status != 0 and "CERTIFICATE_VERIFY_FAILED" in said:
        raise DeployError(f"pip on {remote.host} trusts no certificate, mostly as its clock is wrong: see 'date' there")
    if done.status != 0 and not supply.offline and any(sign in said for sign in _NO_INTERNET):
        raise DeployError(f"pip on {remote.host} cannot fetch packages: {done.reason}; without internet, add --offline")
    remote.check(done, "pip install")
