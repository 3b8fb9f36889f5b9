"""Which of the vendor's toolkits this machine has: one beside yolorknn, and those in environments of their own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import MissingDependencyError

VERSIONS = ("2.3.2", "2.5.0")
"""What `yolorknn toolkit install` makes environments for, the default first."""
NAMED = "YOLORKNN_TOOLKIT"
"""Environment variable with the version to use where no --toolkit is given."""
PURPOSE = "building or simulating an .rknn"
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}", re.ASCII)


@dataclass(frozen=True)
class Installed:
    """An rknn-toolkit2 on this machine."""

    version: str
    packages: Path
    """The folder that has its package `rknn`."""
    folder: Path | None = None
    """Of its environment; None where it is beside yolorknn."""
    broken: str = ""
    """Why it cannot be used, where that is so."""

    @property
    def python(self) -> Path | None:
        """The interpreter that has it; None for ours."""
        return None if self.folder is None else self.folder / "bin/python"

    @property
    def where(self) -> str:
        """How it is told from others: the environment's folder."""
        return "beside yolorknn" if self.folder is None else str(self.folder)

    def has(self, package: str) -> bool:
        """Tell whether a package can be imported where the toolkit runs."""
        if self.folder is None:
            return importlib.util.find_spec(package) is not None
        return any((folder / package).is_dir() for folder in (self.packages, *_shared(self.packages)))


def data_folder() -> Path:
    """Return the user's folder for environments, which may not be there."""
    named = os.environ.get("XDG_DATA_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~/.local/share"))) / "yolorknn/toolkits"


def beside() -> Installed | None:
    """Return the one that is installed beside yolorknn."""
    spec = importlib.util.find_spec("rknn")
    roots = spec.submodule_search_locations if spec else None
    if not roots:
        return None
    try:
        version = importlib.metadata.version("rknn-toolkit2")
    except importlib.metadata.PackageNotFoundError:  # a folder of that name, or the toolkit of the first generation
        return None
    return Installed(version, Path(next(iter(roots))).parent)


def environments(folder: Path) -> list[Installed]:
    """Return those in a folder of environments, the newest first; one that is not whole yet is none."""
    try:
        found = [made for entry in folder.iterdir() if (made := _in_environment(entry))]
    except OSError:
        return []
    return sorted(found, key=lambda toolkit: tuple(map(int, toolkit.version.split("."))), reverse=True)


def _in_environment(folder: Path) -> Installed | None:
    if not _VERSION.fullmatch(folder.name):  # one that is being made has another name
        return None
    lib = sorted(folder.glob("lib/python3.*/site-packages"))
    packages = lib[0] if lib else folder
    known = any(packages.glob(f"rknn_toolkit2-{folder.name}*.dist-info")) and (packages / "rknn/api").is_dir()
    gone = [path for path in (folder / "bin/python", *_shared(packages)) if not path.exists()]
    why = "it has no rknn-toolkit2" if not known else f"there is no {gone[0]} any more" if gone else ""
    return Installed(folder.name, packages, folder, why)


def _shared(packages: Path) -> list[Path]:
    """Return the folders whose packages an environment shares, as install() names them."""
    try:
        return [Path(line) for line in (packages / SHARED).read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError):
        return []


SHARED = "yolorknn-shared.pth"
"""In an environment's packages, names the folders whose packages it shares, a line each, as Python reads them."""


def toolkits() -> list[Installed]:
    """Return all: first the one that is used where none is named."""
    ours = beside()
    return [*([ours] if ours else []), *environments(data_folder())]


def recorded(version: str) -> str | None:
    """Return the version that a model was built with, where it is the one to build it again with.

    It is, unless the environment variable YOLORKNN_TOOLKIT names another, or it is not on this machine.
    """
    there = any(toolkit.version == version and not toolkit.broken for toolkit in toolkits())
    return version if there and not os.environ.get(NAMED) else None


def choose(version: str | None = None) -> Installed:
    """Return the toolkit to use: the named one, or the one beside yolorknn, or the newest in an environment.

    Args:
        version: as `2.5.0`; None for what the environment variable YOLORKNN_TOOLKIT names, if it does.

    Raises:
        MissingDependencyError: there is none, or not that one, or it is broken.
    """
    named = version or os.environ.get(NAMED) or None
    found = [toolkit for toolkit in toolkits() if named is None or toolkit.version == named]
    whole = [toolkit for toolkit in found if not toolkit.broken]
    if whole:
        return whole[0]
    wanted = named or (found[0].version if found else "")
    install = f"yolorknn toolkit install {wanted if wanted in VERSIONS else ''}".strip()
    if found:
        mend = f"{found[0].where} is broken ({found[0].broken}): make it anew with '{install}'"
    else:
        there = ", ".join(toolkit.version for toolkit in toolkits())
        mend = f"'{install}' makes an environment for it" + (f", or choose what is here: {there}" if there else "")
    raise MissingDependencyError(f"rknn-toolkit2 {named or ''}".strip(), "toolkit", PURPOSE, mend=mend)
