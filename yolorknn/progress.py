"""Progress: how a long piece of work tells how far it is, and what a process tells once only."""

import logging
import threading
from collections.abc import Callable
from functools import lru_cache

Progress = Callable[[str, float], None]
"""Called with the name of a stage and how much of it is done, 0 to 1."""

_logger = logging.getLogger(__name__)
_lock = threading.Lock()


def tell_once(text: str) -> None:
    """Log a warning that this process has not told yet, however many models, builds or streams there are."""
    with _lock:
        _tell(text)


@lru_cache(maxsize=64)
def _tell(text: str) -> None:
    _logger.warning("%s", text)
