"""What the tests of streams share: detectors whose answers say the frame's number, and no thread left behind."""

from __future__ import annotations

import functools
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.backends import number_detector
from tests.fakes.numbered import cell_of, number_of
from yolorknn import Detector
from yolorknn.stream.result import Result

PICTURE = np.zeros((4, 4, 3), np.uint8)
LEFT_ALONE = 2.0
"""Seconds in which a source's thread ends that waited for the network when it was closed."""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(LEFT_ALONE)
    assert set(threading.enumerate()) <= before


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Detector]:
    """number_detector() with its model in the test's folder."""
    return functools.partial(number_detector, tmp_path)


@pytest.fixture(params=["PyAV", "OpenCV"])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What encodes; returns the suffix that the video then has."""
    if request.param == "PyAV":
        pytest.importorskip("av")
        return ".mp4"
    monkeypatch.setitem(sys.modules, "av", None)
    return ".mkv"


def assert_of_its_frame(result: Result) -> None:
    assert number_of(result.frame[..., ::-1]) == result.index
    expected = cell_of(result.index)
    assert result.detections.class_id.tolist() == [expected.class_id]
    assert result.detections.confidence[0] == pytest.approx(expected.confidence)


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many open files that further ones have numbers which select() does not know."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this user may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    held = [os.open("/dev/null", os.O_RDONLY)]
    while held[-1] < 1050:
        held.append(os.open("/dev/null", os.O_RDONLY))
    yield
    for file in held:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
