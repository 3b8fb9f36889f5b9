"""Another model takes over just while something begins."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.pictured import is_of, picture
from tests.fakes.standin import Library, needs_compiler
from yolorknn import Detector
from yolorknn.predict import loaded_model
from yolorknn.stream.stream import Stream

pytestmark = needs_compiler


def test_a_stream_that_begins_while_another_model_takes_over(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on with the model that is closed."""
    swap: list[threading.Thread] = []

    def beginning(*arguments: Any, **named: Any) -> Stream[Any]:
        swap.append(threading.Thread(target=lambda: detector.replace(other)))
        swap[0].start()
        swap[0].join(0.5)
        return Stream(*arguments, **named)

    other = Detector(model, runtime="c")
    with Detector(model, runtime="c") as detector:
        monkeypatch.setattr(loaded_model, "Stream", beginning)
        for result in detector.stream(picture(number % 8) for number in range(30)):
            is_of(result.detections, result.index)
        swap[0].join(30)
        assert not swap[0].is_alive()
