"""What the tests of streams share: detectors whose answers say the frame's number, and no thread left behind."""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.backends import number_detector
from yolorknn import Detector


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Detector]:
    """number_detector() with its model in the test's folder."""
    return functools.partial(number_detector, tmp_path)
