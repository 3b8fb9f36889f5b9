"""What the tests of a model at work share with those of streams: its detectors, and no thread left behind."""

from __future__ import annotations

from tests.stream.conftest import make, no_thread_is_left

__all__ = ["make", "no_thread_is_left"]
