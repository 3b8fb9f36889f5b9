"""Workers in this process: what they are sent is pickled as for others, and what comes of it comes in another order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from yolorknn.integrations.ray.model_file import shipped


class Backwards:
    """See Spread: two workers, the second of which is done first."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.done: list[Any] = []
        self.closed = False

    def carried(self, model: Path, *beside: Path) -> Callable[[], Path]:
        return shipped(model, *beside).unpacked

    def work(
        self, opening: Any, pieces: Sequence[Any], *, model: str, simulate: bool
    ) -> Generator[tuple[int, Any], None, None]:
        self.asked.append((model, simulate))
        with ExitStack() as held:
            held.callback(setattr, self, "closed", True)
            workers = [held.enter_context(pickle.loads(pickle.dumps(opening))(None)) for _ in range(2)]
            for number in reversed(range(len(pieces))):
                found = workers[number % 2](pickle.loads(pickle.dumps(pieces[number])))
                self.done.append(pieces[number])
                yield number, pickle.loads(pickle.dumps(found))
