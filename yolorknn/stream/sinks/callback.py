"""Results to a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yolorknn.stream.result import Result


class Callback:
    """Calls a function with each result, whose return value does not matter."""

    def __init__(self, function: Callable[[Result[Any]], object]) -> None:
        """Call `function`, in the thread that writes."""
        self._function = function

    def write(self, result: Result[Any]) -> None:
        self._function(result)

    def close(self) -> None:
        pass
