"""Check what is in a wheel and an sdist: the package as git has it, all of it and nothing besides.

python scripts/check_release.py dist/*
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import yolorknn

ROOT = Path(__file__).resolve().parent.parent
ADDED = {"PKG-INFO", "pyproject.toml", ".gitignore"}
"""By hatchling, to every sdist."""


def contents(package: Path) -> set[str]:
    """Return the paths of the files in a package; of an sdist without its folder."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return set(archive.namelist())
    with tarfile.open(package) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def tracked(*folders: str) -> set[str]:
    """Return the files that git has below folders."""
    command = ["git", "ls-files", "--", *folders]
    return set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines())


def faults(package: Path) -> list[str]:
    """Return what is wrong with a package."""
    found, code = contents(package), tracked("yolorknn")
    wrong = [f"lacks {name}" for name in sorted(code - found)]
    if yolorknn.__version__ not in package.name:
        wrong.append(f"is not of version {yolorknn.__version__}")
    if "yolorknn/py.typed" not in found:
        wrong.append("lacks py.typed, without which its types are not read")
    if not any(name.endswith("LICENSE") for name in found):
        wrong.append("lacks the licence")
    if package.suffix == ".whl":
        strays = {name for name in found - code if not re.match(r"yolorknn-[^/]+\.dist-info/", name)}
    else:
        strays = found - tracked() - ADDED
        strays |= {name for name in found if name.startswith(("tests/", "dataset/", "models/"))}
    return wrong + [f"has {name}, which is not the package's" for name in sorted(strays)]


def main() -> None:
    """Check each, and that the changelog knows the version."""
    wrong = [f"{package.name} {fault}" for package in map(Path, sys.argv[1:]) for fault in faults(package)]
    released = yolorknn.__version__.partition(".dev")[0]
    version = re.escape(released)
    heading = rf"^## (Unreleased \({version}\)|{version} \(\d{{4}}-\d\d-\d\d\))$"
    if not re.search(heading, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        wrong.append(f"CHANGELOG.md has no section for {released}")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
