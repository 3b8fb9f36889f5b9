"""A model and what it needs, put onto a board beside the one that runs there, and what the board's doctor says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from yolorknn.deploy.answers import findings_of
from yolorknn.deploy.install import OWN, Installed, install
from yolorknn.deploy.probe import Board, absolute
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.supply import Supply
from yolorknn.doctor.machine import Finding
from yolorknn.errors import DeployError, ModelError

TRIAL = "trial"
"""Folder on a board of the model that is tried."""


def place_model(
    remote: Remote,
    board: Board,
    model: Path,
    samples: Mapping[str, Path | bytes],
    *,
    folder: str,
    supply: Supply,
    tell: Callable[[str], None],
) -> tuple[Installed, tuple[Finding, ...]]:
    """Copy a model and samples to a board, install yolorknn there, and run its doctor.

    The model that runs there stays where it is; see take_over().

    Args:
        remote: an open connection.
        board: what it is.
        model: a .rknn.
        samples: what it is to run on, by names below the folder.
        folder: on the board, below the home folder.
        supply: of wheels.
        tell: is told what the doctor found wrong.

    Returns:
        Where things are, and what the doctor found.

    Raises:
        ModelError: the model is not for that board.
        DeployError: a step on the board failed.
    """
    installed = Installed(absolute(board, folder), f"{TRIAL}/{model.name}")
    files = {installed.model: model, **samples}
    if (sidecar := model.with_suffix(".json")).is_file():
        files[f"{TRIAL}/{sidecar.name}"] = sidecar
    remote.send(files, installed.folder)
    install(remote, board, installed.folder, supply)
    findings = doctor_there(remote, installed)
    for finding in findings:
        if finding.status != "ok":
            tell(f"{finding.status}: {finding.text}\n  fix: {finding.fix}")
        if finding.status == "problem" and finding.check == "model":
            raise ModelError(f"{finding.text}: {finding.fix}")
    return installed, findings


def yolorknn_there(remote: Remote, installed: Installed, *words: str) -> Done:
    """Run yolorknn on the board."""
    # by -m, as pip's start-up scripts fail below a folder with a $ or " in its name
    return remote.run(OWN, "-m", "yolorknn", *words, folder=installed.folder)


def doctor_there(remote: Remote, installed: Installed) -> tuple[Finding, ...]:
    """Return what the board's doctor finds, of the model too where there is one.

    Raises:
        DeployError: it failed.
    """
    words = ["--model", installed.model] if installed.model else []
    done = yolorknn_there(remote, installed, "doctor", *words, "--json")
    try:
        return findings_of(done.stdout)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        raise DeployError(f"the doctor failed on {remote.host}: {error_of(done)}") from None


def error_of(done: Done) -> str:
    """Return the sentence of a yolorknn that failed."""
    return done.reason.removeprefix("error: ")
