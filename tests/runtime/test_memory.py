"""The process's memory: what was freed is the system's again."""

from __future__ import annotations

import ctypes

import pytest

from yolorknn.runtime.memory import give_back, resident_mb

PIECE = 100_000
"""Bytes: glibc takes what is larger from the system, and gives it back at once."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="malloc_trim is glibc's")
def test_what_was_freed_is_given_back() -> None:
    pieces = [bytearray(PIECE) for _ in range(400)]
    last = bytearray(PIECE)  # which keeps what is before it
    held = resident_mb()
    pieces.clear()
    give_back()
    assert resident_mb() < held - 30 and len(last) == PIECE
