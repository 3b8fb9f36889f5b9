"""The vendor's toolkit in children that are forked from one which has imported it.

Importing it takes three seconds, most of them torch's, and the tests start some hundreds of children. What is tested of
starting one (tests/convert/toolkit), and what commands in processes of their own start, is started as users do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.warm.forked import Warm
from yolorknn.convert.toolkit import process

OF_ONE = {"TMPDIR", "PYTEST_CURRENT_TEST"}
"""What is another for each child, and changes nothing of what is imported."""


class Children:
    """Starts those of this process: forked, once an environment is asked for again."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self._lock = threading.Lock()
        self._last: dict[str, str] | None = None
        self._warm: Warm | None = None

    def start(self, child: process.Process, python: Path | None, link: int, output: int) -> Any:
        """Stand in for Process._started."""
        environment = process.environment(str(child.scratch))
        warm = None if python else self._ready(environment)
        if warm is None:
            return self._started(child, python, link, output)
        command = [str(process.SCRIPT), str(link)]
        return warm.start(
            command, cwd=child.scratch, environment=environment, stdout=output, stderr=output, pass_fds=[link]
        )

    def _ready(self, environment: dict[str, str]) -> Warm | None:
        lasting = {name: value for name, value in environment.items() if name not in OF_ONE}
        with self._lock:
            if self._warm and self._warm.environment == lasting:
                return self._warm
            again, self._last = self._last == lasting, lasting
            if not again or find_spec("rknn") is None:  # some of what children do needs no toolkit
                return None
            self.close()
            self._warm = Warm("rknn.api", environment=lasting)
            return self._warm

    def close(self) -> None:
        """Fork no more."""
        if self._warm:
            self._warm.close()


@contextmanager
def warm_toolkit() -> Iterator[None]:
    """Have this process's children forked."""
    children = Children(process.Process._started)

    def start(self: process.Process, python: Path | None, link: int, output: int) -> Any:
        return children.start(self, python, link, output)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process.Process, "_started", start)
        yield
    children.close()
