"""A .rknn on every NPU core of this board: which of the vendor's two runtimes, and how many contexts on a core."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from yolorknn.errors import ModelError
from yolorknn.model.platforms import FIRST_GENERATION, Platform, chips, first_generation, runs_on, this_platform
from yolorknn.model.rknn_file import RknnFile
from yolorknn.runtime.recovering import RecoveringSession
from yolorknn.runtime.rknnlite import open_lite
from yolorknn.runtime.rknnrt import Weights
from yolorknn.runtime.session import on_core, unchanged
from yolorknn.runtime.stderr import give_back_stderr
from yolorknn.runtime.wheel import installed, why_not

_logger = logging.getLogger(__name__)

Runtime = Literal["auto", "lite", "c"]
"""rknn-toolkit-lite2, or librknnrt directly; "auto" is the first where it is installed and works, else the second."""


MOST_CONTEXTS = 8
"""On a core: bench finds no more frames beyond two or three, and each takes memory of the NPU."""


def check_asked(runtime: str, contexts: object) -> None:
    """Refuse what no board can be asked for.

    Raises:
        ValueError: there is no such runtime, or contexts is no whole number from 1 to MOST_CONTEXTS.
    """
    if runtime not in ("auto", "lite", "c"):
        raise ValueError(f"runtime is 'auto', 'lite' or 'c', not {runtime!r}")
    if not isinstance(contexts, int) or not 1 <= contexts <= MOST_CONTEXTS:
        raise ValueError(f"a core has 1 to {MOST_CONTEXTS} contexts, not {contexts}")


def chosen(runtime: Runtime) -> Literal["lite", "c"]:
    """Return the runtime that is meant; a wheel that is installed but cannot be imported is told, and done without."""
    if runtime != "auto":
        return runtime
    if (why := why_not()) is not None:
        said = "rknn-toolkit-lite2 is installed but cannot be imported (%s): librknnrt is used directly (--runtime c)"
        _logger.warning(said, why)
        return "c"
    return "lite" if installed() else "c"


def runtimes() -> tuple[Literal["lite", "c"], ...]:
    """Return the runtimes that there are, lite first, also where it cannot be imported; librknnrt is under both."""
    return ("lite", "c") if installed() else ("c",)


def open_cores(
    file: RknnFile,
    *,
    source: Path,
    board: Platform | None = None,
    runtime: Runtime = "auto",
    contexts: int = 1,
    cores: Sequence[int] | None = None,
) -> list[RecoveringSession]:
    """Open contexts on each NPU core of this board; each is replaced when it fails.

    Args:
        file: a .rknn.
        source: the .onnx that it was built from, for messages.
        board: the platform; by default the one the device tree names.
        runtime: which of the vendor's.
        contexts: how many on a core, 1 to MOST_CONTEXTS: while the CPU converts for one, the core works for another.
        cores: which, from 0; None for all.

    Returns:
        The sessions: the first of each core, then the second of each, ...

    Raises:
        ModelError: built for another platform, or this machine has no NPU.
        BackendError: the runtime refused it; what was opened is closed again.
        MissingDependencyError: rknn-toolkit-lite2 is asked for and not installed, or cannot be imported.
        ValueError: see check_asked(); or there is no such core.
    """
    check_asked(runtime, contexts)
    kind = chosen(runtime)
    board = _checked(file, board or this_platform(), source)
    if cores is not None and not set(cores) <= set(range(board.cores)):
        raise ValueError(f"{board.name} has {board.cores} NPU cores, numbered from 0: not {', '.join(map(str, cores))}")
    weights = Weights(file)
    with contextlib.ExitStack() as opened:  # what was opened is closed again when a later core fails
        sessions = []
        for core in [*((cores or range(board.cores)) if board.core_mask else [None])] * contexts:
            opening = functools.partial(weights.open if kind == "c" else functools.partial(open_lite, file), core=core)
            session = RecoveringSession(
                unchanged(file.seen, opening),
                where=on_core(file.path, core),
                abandon=give_back_stderr,
                core=core or 0,
            )
            sessions.append(opened.enter_context(contextlib.closing(session)))
        opened.pop_all()
    weights.seal()
    return sessions


def _checked(file: RknnFile, board: Platform | None, source: Path) -> Platform:
    if board is None and (old := [chip for chip in chips() if chip in FIRST_GENERATION]):
        raise ModelError(f"{file.path} does not run here: {first_generation(old[0])}")
    if board is None:
        raise ModelError(
            f"{file.path} runs on a Rockchip board, which this machine is not: copy it to the board, or here use the "
            f".onnx it was built from ({source}); detect, val and run do so here too, with --simulate (in "
            "Python, simulate=True)"
        )
    if not any(runs_on(name, board) for name in file.platforms):
        raise ModelError(
            f"{file.path} is built for {', '.join(file.platforms)}, this board is {board.name}: "
            f"build it again with --platform {board.name}"
        )
    if not board.python:
        raise ModelError(f"rknn-toolkit-lite2 does not run on {board.name}: use the vendor's C runtime there")
    return board
