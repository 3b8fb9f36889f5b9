"""The loop of a run: the results of a stream into sinks, counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolorknn.errors import InferenceError, OutputError, SourceError
from yolorknn.stream.result import Result, Timings
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.step import Steps
from yolorknn.stream.stream import Stream
from yolorknn.tasks.classification import counted_classes


@dataclass(frozen=True)
class Summary:
    """How a run went."""

    frames: int
    """That the sinks have."""
    seconds: float
    """From before the stream's threads began, so that no core is in use for longer."""
    stages: Timings
    """Seconds of the mean frame in each stage; zeros where there is no frame."""
    dropped: int
    """Frames of a live source that a newer one replaced."""
    lost: int
    """Frames that an NPU core did not answer."""
    failures: tuple[str, ...]
    """What was wrong with images that could not be read."""
    found: Mapping[int, int]
    """How many objects of each class were found, in all frames; of a classifier, how many frames are of each."""

    def check_answered(self) -> None:
        """Tell a run in which the NPU does not work from one without frames.

        Raises:
            InferenceError: frames were lost, and none was answered.
        """
        if self.lost and not self.frames:
            raise InferenceError(f"the NPU answered none of {self.lost} frames: see 'yolorknn doctor'")


def run(
    stream: Stream[Any],
    sinks: Sequence[Sink],
    *,
    steps: Steps | None = None,
    counted: Callable[[int], None],
    skipped: Callable[[SourceError], None],
) -> Summary:
    """Give every result of a stream to every sink; of several images, those that cannot be read are skipped.

    Args:
        stream: is read to its end.
        sinks: in this order; they stay open.
        steps: what is applied to a result before.
        counted: called with the number of frames that the sinks have, whenever it grows.
        skipped: called with what is wrong with an image.

    Raises:
        SourceError: the source cannot be read, or stopped.
        OutputError: a result cannot be written.
        InferenceError: the runtime failed.
    """
    frames, failures = 0, []
    found: Counter[int] = Counter()
    spent = np.zeros(len(Timings._fields))
    several = not stream.source.fps and stream.source.count != 1
    waits = steps is not None and stream.source.fps > 0 and not stream.source.live
    last: Result[Any] | None = None
    result: Result[Any] | None

    def give(result: Result[Any]) -> None:
        nonlocal frames, spent
        for sink in sinks:
            sink.write(result)
        frames += 1
        found.update(counted_classes(result.detections))
        spent += result.timings
        counted(frames)

    def finish() -> None:
        if steps is not None and last is not None:
            give(steps.finish(last))
        elif steps is not None:
            steps.end()

    try:
        while True:
            try:
                result = next(stream)
            except StopIteration:
                break
            except SourceError as exc:
                if not several:
                    raise
                failures.append(str(exc))
                skipped(exc)
                continue
            if steps is not None:
                result = steps.apply(result)
            if waits:  # which frame of a video is the last is known once there is no other
                result, last = last, result
            if result is not None:
                give(result)
    except (OutputError, BrokenPipeError):  # of a sink, which takes no more
        raise
    except BaseException:  # Ctrl-C too: what was seen until now is not lost
        finish()
        raise
    finish()
    seconds = time.perf_counter() - stream.begun
    stages = Timings(*(spent / max(1, frames)).tolist())
    return Summary(frames, seconds, stages, stream.dropped, stream.lost, tuple(failures), found)
