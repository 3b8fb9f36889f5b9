"""A model that was tried on a board takes the place of the one before, which is kept there and can be taken back."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from yolorknn.deploy.answers import answered, digest_of
from yolorknn.deploy.install import OWN, Installed
from yolorknn.deploy.probe import from_home
from yolorknn.deploy.ssh import Remote
from yolorknn.errors import DeployError
from yolorknn.files import sha256

_TAKE_OVER = """
import json, shutil, sys
from pathlib import Path
from yolorknn.model.kept import replace
model, tried = map(Path, sys.argv[1:])
print(json.dumps(replace(model, tried)))
shutil.rmtree(tried.parent)
"""
_TAKE_BACK = """
import json, sys
from pathlib import Path
from yolorknn.model.kept import take_back
print(json.dumps(take_back(Path(sys.argv[1]), sys.argv[2])))
"""


@dataclass(frozen=True)
class Switch:
    """What a board had and has, by sha256."""

    installed: Installed
    before: str | None
    """None where there was no model of that name."""
    now: str


def take_over(remote: Remote, tried: Installed, model: Path) -> Switch:
    """Put a model that was tried in its place, in one step; what is there is kept beside it under its sha256.

    Args:
        remote: an open connection.
        tried: of place_model().
        model: the .rknn here.

    Raises:
        DeployError: it failed there, and all is as it was; or what is there is not the model.
    """
    name = posixpath.basename(tried.model)
    before, now = _digests(remote, tried.folder, f"putting {name} in place", _TAKE_OVER, name, tried.model)
    if now != sha256(model):
        raise DeployError(f"{name} on {remote.host} is not {model}, which has changed meanwhile: deploy it again")
    return Switch(Installed(tried.folder, name), before, now)


def take_back(remote: Remote, folder: str, model: Path) -> Switch:
    """Put the model that was there before this one in its place again; a board that has another is left alone.

    Args:
        remote: an open connection.
        folder: on the board, below the home folder.
        model: the .rknn here, which is to be taken back.

    Raises:
        DeployError: it failed there, as where none is kept, and all is as it was.
    """
    folder = from_home(folder)
    before, now = _digests(remote, folder, f"taking {model.name} back", _TAKE_BACK, model.name, sha256(model))
    return Switch(Installed(folder, model.name), before, now)


def _digests(remote: Remote, folder: str, what: str, script: str, *words: str) -> tuple[str | None, str]:
    """Return what a script there prints: the sha256 of what was there, and of what is."""
    done = remote.run(OWN, "-c", script, *words, folder=folder, show=f"{OWN} -c ...  # {what}")
    remote.check(done, what)
    answer = remote.answer(done)
    with answered(remote, answer):
        before, now = answer
        return None if before is None else digest_of(before), digest_of(now)
