"""Progress: how a long piece of work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with the name of a stage and how much of it is done, 0 to 1."""
