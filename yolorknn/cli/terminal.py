"""stderr as a console that may go away while a command works."""

from __future__ import annotations

from rich.console import Console


class Terminal(Console):
    """Shows nothing more once nobody reads it, which ends nothing.

    rich ends the thread that told something then, whichever that is, and has stdout go nowhere, where results may go.
    """

    def __init__(self) -> None:
        """Write to stderr, as it is given."""
        super().__init__(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Be quiet from now on."""
        self.quiet = True
