"""Files beside cameras: read ahead without losing a frame, and what cannot be read is told."""

from __future__ import annotations

import threading

import numpy as np

from tests.fakes.numbered import number_of, numbered_frame
from tests.stream.conftest import PICTURE
from yolorknn.errors import SourceError
from yolorknn.stream.sources.ahead import Ahead
from yolorknn.stream.sources.fair import FairSource
from yolorknn.stream.sources.images import Images


def test_a_file_beside_loses_no_frame_and_waits_for_its_turn() -> None:
    wake, told = threading.Event(), list[str]()
    images = [numbered_frame(number, (32, 64)) for number in range(20)]
    ahead = Ahead(lambda: Images(images), camera="file", source="clip", told=told.append, wake=wake)
    source = FairSource([(ahead, 1.0)], wake)
    numbers = []
    while (frame := source.read()) is not None:
        source.taken(frame)
        source.left(frame)
        numbers.append((frame.number, number_of(frame.image[..., ::-1])))
    assert numbers == [(number, number) for number in range(20)] and not told
    status = ahead.status()
    assert status.state == "ended" and status.frames["read"] == 20
    source.close()


def test_a_file_that_is_not_there_is_told_and_ends() -> None:
    wake, told = threading.Event(), list[str]()

    def refuse() -> Images:
        raise SourceError("there is no file clip")

    ahead = Ahead(refuse, camera="file", source="clip", told=told.append, wake=wake)
    assert FairSource([(ahead, 1.0)], wake).read() is None
    assert told == ["there is no file clip"] and ahead.status().why == "there is no file clip"
    ahead.close()


def test_an_image_that_cannot_be_read_is_left_out() -> None:
    wake, told = threading.Event(), list[str]()
    images = [PICTURE, np.zeros((3, 3), np.uint8), PICTURE]
    ahead = Ahead(lambda: Images(images), camera="file", source="in", told=told.append, wake=wake)
    source = FairSource([(ahead, 1.0)], wake)
    count = 0
    while (frame := source.read()) is not None:
        source.taken(frame)
        source.left(frame)
        count += 1
    assert count == 2 and len(told) == 1
    source.close()
