"""The wheels for one board or many, each made or fetched once for all that are alike."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from yolorknn.deploy.probe import Board
from yolorknn.deploy.wheels import board_wheel, fetch
from yolorknn.scratch import temporary_folder


class Supply:
    """Wheels, in a temporary folder while it is open; threads may share it.

    Args:
        offline: whether boards are to have all that they need from here, as they have no internet.
    """

    def __init__(self, *, offline: bool = False) -> None:
        self.offline = offline
        self._lock, self._opened = threading.Lock(), ExitStack()
        self._made: dict[tuple[int, int], Path] = {}
        self._fetched: dict[tuple[tuple[int, int], int], list[Path]] = {}

    def __enter__(self) -> Supply:
        self._folder = self._opened.enter_context(temporary_folder("wheels"))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def wheel(self, board: Board) -> Path:
        """Return the package that runs here, for a board; see board_wheel().

        Raises:
            DeployError: it cannot be packed.
            OutputError: there is no room for it.
        """
        with self._lock:
            return self._wheel(board.python)

    def wheels(self, board: Board) -> list[Path]:
        """Return what is to be carried to a board: that, and with `offline` all that it needs; see fetch().

        Raises:
            DeployError: it cannot be packed, or not fetched.
            OutputError: there is no room for it.
        """
        with self._lock:
            wheel, kind = self._wheel(board.python), (board.python, board.glibc)
            if not self.offline:
                return [wheel]
            if kind not in self._fetched:
                folder = self._folder / f"{'.'.join(map(str, board.python))}-{board.glibc}"
                self._fetched[kind] = fetch(wheel, folder, python=board.python, glibc=board.glibc)
            return self._fetched[kind]

    def _wheel(self, python: tuple[int, int]) -> Path:
        if python not in self._made:
            self._made[python] = board_wheel(self._folder / ".".join(map(str, python)), python=python)
        return self._made[python]
