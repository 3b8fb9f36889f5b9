"""`yolorknn toolkit install`: an environment for one of the vendor's toolkits, whatever Python and torch train here."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from yolorknn.convert.toolkit.interpreter import NEWEST, OLDEST, find_python, version_of
from yolorknn.convert.toolkit.log import Log, temporary_log
from yolorknn.errors import BuildError, OutputError
from yolorknn.files import atomic_folder, open_log, writing
from yolorknn.progress import Progress
from yolorknn.text import reason_of
from yolorknn.toolkits.installed import SHARED, VERSIONS, Installed, data_folder, environments

_logger = logging.getLogger(__name__)

TORCH = "2.4.0"
"""The newest that they ask for."""
PINS = ("numpy<2", "onnx>=1.16.1,<1.19", "setuptools<82")
"""What they need and do not say: 2.3.2 fails with a newer onnx, and both import pkg_resources."""
CPU_TORCH = "https://download.pytorch.org/whl/cpu"
"""Where torch without CUDA is, a tenth of PyPI's; on arm64 PyPI has no other."""
CHECK = """
import sys, numpy, onnx
assert numpy.__version__.startswith("1."), f"it is built for numpy 1, not {numpy.__version__}"
assert hasattr(onnx, "mapping"), f"it needs onnx before 1.19, not {onnx.__version__}"
from rknn.api import RKNN
RKNN(verbose=False)
"""


def install(
    version: str = VERSIONS[0], *, python: Path | None = None, share: bool = False, progress: Progress | None = None
) -> Installed:
    """Make an environment with a toolkit in the user's data folder, where it is not there yet.

    It is made under another name and checked; an install that was interrupted leaves nothing.

    Args:
        version: one of VERSIONS.
        python: the interpreter to make it with, Python 3.10 to 3.12; default is one that is found here.
        share: take torch and all else from the environment that yolorknn runs in, of which it is then a part.
        progress: told the steps.

    Raises:
        BuildError: this machine, or the Python, is none that the vendor has packages for; or the installer failed (the
            log is named), or what it installed does not work.
        OutputError: the folder cannot be written.
    """
    folder = data_folder()
    tell = progress or (lambda _step, _done: None)
    if there := _there(folder, version):
        return there
    _check_machine()
    if not folder.is_absolute():
        raise OutputError(f"there is no home folder for {folder}: set XDG_DATA_HOME to a folder of yours")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / version).exists():  # a broken one
            shutil.rmtree(folder / version)
    with temporary_log("toolkit") as log:
        tell(f"Python for {version}", 0.0)
        installer = _Installer(log, uv=shutil.which("uv"))
        base = Path(sys.executable) if share else python
        if share and not OLDEST <= sys.version_info[:2] <= NEWEST:
            raise BuildError("the Python that yolorknn runs in is none that the toolkit runs in: leave out --share")
        try:
            with atomic_folder(folder / version) as made:
                installer.environment(made, base)
                if share:
                    tell(f"rknn-toolkit2 {version}", 0.2)
                    installer.packages(made, "--no-deps", f"rknn-toolkit2=={version}")
                    _share(made)  # last, as pip would find the toolkit of ours there
                else:
                    tell(f"torch {TORCH}", 0.1)
                    installer.torch(made)
                    tell(f"rknn-toolkit2 {version}", 0.5)
                    installer.packages(made, f"rknn-toolkit2=={version}", f"torch=={TORCH}", *PINS)
                tell("checking it", 0.9)
                installer.run([made / "bin/python", "-c", CHECK], "what was installed does not work")
        except OutputError:
            if there := _there(folder, version):  # another install was first
                return there
            raise
    tell("checking it", 1.0)
    installed = _there(folder, version)
    assert installed is not None, "it was just renamed"
    return installed


def _there(folder: Path, version: str) -> Installed | None:
    return next((made for made in environments(folder) if made.version == version and not made.broken), None)


def _check_machine() -> None:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise BuildError(
            f"rknn-toolkit2 has no packages for {platform.system()} on {platform.machine()}: build on Linux, or in a "
            "container for linux/amd64"
        )


def _share(folder: Path) -> None:
    """Let an environment see the packages of ours."""
    (packages,) = folder.glob("lib/python3.*/site-packages")
    with writing(packages / SHARED):
        (packages / SHARED).write_text("".join(f"{path}\n" for path in site.getsitepackages()), encoding="utf-8")


class _Installer:
    """uv, where it is on PATH, or venv and pip; what they print goes to a log."""

    def __init__(self, log: Log, *, uv: str | None) -> None:
        self._log, self._uv = log, uv

    def environment(self, folder: Path, python: Path | None) -> None:
        if self._uv:
            if python is not None:
                version_of(python)
            # uv fetches the Python where there is none, which was asked for
            self.run([self._uv, "venv", "--python", python or "3.11", folder], "uv made no environment")
            return
        found = version_of(python) if python is not None else find_python()
        self.run([found, "-I", "-m", "venv", folder], f"{found} made no environment")

    def torch(self, folder: Path) -> None:
        """Install torch without CUDA, if the index that has it can be reached."""
        if platform.machine() != "x86_64" or os.environ.get("PIP_NO_INDEX") or os.environ.get("UV_NO_INDEX"):
            return
        once = [] if self._uv else ["--retries", "1", "--timeout", "15"]
        try:
            self.packages(folder, *once, "--no-deps", "--index-url", CPU_TORCH, f"torch=={TORCH}+cpu")
        except BuildError:
            self._log.named = False
            _logger.warning(
                "%s cannot be reached: torch comes from PyPI, with 3 GB of CUDA's libraries that nothing uses here",
                CPU_TORCH,
            )

    def packages(self, folder: Path, *what: str) -> None:
        python = folder / "bin/python"
        pip: list[str | Path] = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command = [self._uv, "pip", "install", "--python", python] if self._uv else pip
        self.run([*command, *what], "the installer failed")

    def run(self, command: Sequence[str | Path], failure: str) -> None:
        """Run a command, with the user's settings of pip and uv but not those of our Python."""
        with open_log(self._log.path) as output:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_plain(os.environ), check=False
                )
            except OSError as exc:
                raise BuildError(f"cannot run {command[0]}: {reason_of(exc)}") from exc
        if done.returncode != 0:
            raise BuildError(
                f"no environment for rknn-toolkit2: {failure}: {self._log.last_words()} {self._log.name()}"
            )


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    ours = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    return {name: value for name, value in environment.items() if name not in ours}
