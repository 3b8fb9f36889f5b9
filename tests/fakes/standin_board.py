"""Boards that are this PC: a real sshd and a home each, real files and commands; what runs a model is a script."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.conftest import DATASET, DEMO_ONNX, ROOT
from tests.fakes.commands import run
from tests.fakes.rknn_files import write_rknn
from tests.fakes.sshd import Sshd, name_boards
from yolorknn.files import sha256
from yolorknn.model.metadata import Build
from yolorknn.predict.open_model import read_metadata

NAME = "v8n-rk3588-i8.rknn"
DOCTOR = """[
 {"check": "NPU driver", "status": "ok", "text": "rknpu 0.9.8, kernel 6.1.0", "fix": ""},
 {"check": "librknnrt", "status": "ok", "text": "librknnrt 2.3.2", "fix": ""},
 {"check": "temperature", "status": "ok", "text": "47 °C at most (npu-thermal)", "fix": ""}
]"""
OF_ARM = f"""exec {sys.executable} -c \
"import platform, sys; platform.machine = lambda: 'aarch64'; exec(sys.argv[1])" "$2" """
PYTHON = f"""#!/bin/sh
echo "$*" | head -1 >>"$HOME/asked"
case "$1 $2 $3" in
"-m pip install") exit 0 ;;
"-m yolorknn doctor") cat "$HOME/doctor" ;;
"-m yolorknn detect") cp "$6" "$HOME/tried" && exec sh "$HOME/detect" "$6" ;;
*) exec env PYTHONPATH={ROOT} {sys.executable} "$@" ;;
esac
"""


class StandinBoard:
    """A board, called by a name in the ssh configuration of a Standins."""

    def __init__(self, name: str, folder: Path, found: str) -> None:
        self.name, self.server = name, Sshd(folder)
        self.home, self.port = self.server.home, self.server.port
        self.place = self.home / "yolorknn"
        self.server.command("python3", OF_ARM)
        (self.place / ".venv/bin").mkdir(parents=True)
        python = self.place / ".venv/bin/python"
        python.write_text(PYTHON)
        python.chmod(0o755)
        (self.home / "doctor").write_text(DOCTOR)
        (self.home / "found").write_text(found)
        self.finds()

    def finds(self, *, bad: Sequence[Path] = (), script: str = 'cat "$HOME/found"') -> None:
        """Have it find what the PC finds, or run a script for that; and with some models nothing."""
        nothing = '{"detections": []}'
        lines = [
            f'sha256sum <"$1" | grep -q {sha256(model)} && exec sed \'s/.*/{nothing}/\' "$HOME/found"' for model in bad
        ]
        (self.home / "detect").write_text("\n".join([*lines, script, ""]))

    def has(self) -> str | None:
        """Return the sha256 of the model that is in place."""
        return sha256(self.place / NAME) if (self.place / NAME).exists() else None

    def kept(self) -> set[str]:
        """Return the names of models beside it."""
        return {path.name for path in self.place.glob("*.rknn")} - {NAME}

    def asked(self) -> list[str]:
        """Return what its Python was given since the last call."""
        log = self.home / "asked"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


class Standins:
    """Three boards, an `ssh` that knows them by name, and models to put onto them, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.images.mkdir()
        for path in sorted((DATASET / "images").glob("*.jpg"))[:2]:
            shutil.copy(path, self.images)
        found = run("detect", self.images, "--model", DEMO_ONNX, "--no-save", "--json", "-").stdout
        self.boards = [StandinBoard(f"board{n}", folder / f"board{n}", found) for n in (1, 2, 3)]
        (folder / "bin").mkdir()
        self.reach()

    def reach(self, *, away: Sequence[str] = ()) -> None:
        """Have ssh find them, but for those that are away."""
        name_boards(self.folder / "bin", {board.name: board.server for board in self.boards}, away=away)

    def model(self, word: str) -> Path:
        """Make a model that is not the others, in a folder with what docs/scale.md names."""
        place = self.folder / word
        if not place.exists():
            place.mkdir()
            shutil.copy(DEMO_ONNX, place)
            (place / "images").symlink_to(self.images)
            (place / "hosts.txt").write_text("# the hall\nboard1\n\nboard2  # at the door\nboard3\n")
            build = Build("rk3588", "i8", "2.3.2", dataset=word)
            metadata = replace(read_metadata(DEMO_ONNX), source=DEMO_ONNX.name, sha256=sha256(DEMO_ONNX), build=build)
            write_rknn(place / NAME, metadata)
        return place / NAME

    def close(self) -> None:
        """End the servers."""
        for board in self.boards:
            board.server.close()
