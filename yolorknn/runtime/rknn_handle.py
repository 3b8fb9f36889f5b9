"""A context's handle, and when it may be destroyed: whether librknnrt counts who uses its weights is not known."""

from __future__ import annotations

import logging
import threading
from ctypes import c_uint64

from yolorknn.runtime.rknn_api import Library, words

_logger = logging.getLogger(__name__)


class Handle:
    """A handle that is destroyed once its session and all whose weights are its context's have let go of it."""

    def __init__(self, library: Library, where: str, owner: Handle | None = None) -> None:
        """Make room for it; whoever makes it holds it, and opens it.

        Args:
            library: librknnrt.
            where: the model and core, for messages.
            owner: of the weights, where they are another context's; held by the caller.
        """
        self.value = self._as_parameter_ = c_uint64()  # the latter is what ctypes gives to a call
        self._library, self._where, self._owner = library, where, owner
        self._lock, self._holders = threading.Lock(), 1

    def hold(self) -> bool:
        """Keep it from being destroyed until let_go(); return whether that was in time."""
        with self._lock:
            self._holders += self._holders > 0
            return self._holders > 0

    def let_go(self) -> None:
        """Destroy it when nobody else holds it; then let go of the owner of its weights."""
        with self._lock:
            self._holders -= 1
            if self._holders:
                return
        if code := self._library.call("rknn_destroy", self.value):
            _logger.warning("%s for %s", words("rknn_destroy", code), self._where)
        if self._owner is not None:
            self._owner.let_go()
