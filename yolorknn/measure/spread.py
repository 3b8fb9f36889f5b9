"""Spread: what does pieces of work side by side elsewhere; an integration brings it, as that of Ray."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

Opening = Callable[[tuple[int, ...] | None], AbstractContextManager[Callable[[T], R]]]
"""Sent to a worker and called there once, with the NPU cores that are its, if any; gives what does a piece of work."""


class Spread(Protocol):
    """Workers, each of which opens what it needs once."""

    def carried(self, model: Path, *beside: Path) -> Callable[[], Path]:
        """Return what gives a worker the path of its copy of a model, with other files beside it.

        Raises:
            ModelError: it is absent.
        """

    def work(
        self, opening: Opening[T, R], pieces: Sequence[T], *, model: str, simulate: bool
    ) -> Generator[tuple[int, R], None, None]:
        """Yield the number of each piece and what came of it, in any order; closed, what is under way ends.

        Args:
            opening: see above.
            pieces: of the work; both they and what comes of them are sent.
            model: the name of the file that workers run.
            simulate: whether they run it on the vendor's simulator.

        Raises:
            BackendError: no worker can run it, or one has another version of yolorknn.
            YolorknnError: of a worker.
        """
