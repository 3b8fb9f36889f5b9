"""What every sink of results has in common."""

from __future__ import annotations

from typing import Any, Protocol

from yolorknn.stream.result import Result


class Sink(Protocol):
    """Takes the results of a stream, one after another, from one thread.

    What a sink holds is bounded, and write() returns soon, as the stream waits for it. Where the target can be slow or
    away (a network, a broker), the sink has a bounded queue and a thread of its own, which close() joins, and counts
    what it gives up: so it can neither slow nor end the detection on a live source.
    """

    def write(self, result: Result[Any]) -> None:
        """Take one result.

        Raises:
            OutputError: it cannot be written, and no later one can.
        """

    def close(self) -> None:
        """Finish what was begun, also after an error or Ctrl-C, and release it.

        Raises:
            OutputError: it cannot be finished.
        """
