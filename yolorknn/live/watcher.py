"""Watcher: a model at work on many cameras, for as long as it is let, with nobody there."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from yolorknn.errors import InferenceError, OutputError
from yolorknn.live.camera import Camera, CameraStatus, Epochs, begin_all
from yolorknn.live.settings import Settings
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.stream.rate import Rate
from yolorknn.stream.result import Result
from yolorknn.stream.sinks.sink import Sink
from yolorknn.stream.sources.fair import FairSource, Feed
from yolorknn.stream.step import Step, StepsByCamera
from yolorknn.stream.stream import Stream
from yolorknn.tracking.tracking import Tracking

_logger = logging.getLogger(__name__)


class Watcher:
    """Detects in what cameras give, each in its share of the NPU, and gives every result to every sink.

        with Detector("v8n-rk3588-i8.rknn") as detector:
            with Watcher(detector, [Camera("door", "rtsp://...")], sinks) as watcher:
                watcher.wait()

    A camera that is absent or lost is tried for ever; the others do not notice. A sink that fails is told of, left out,
    and stays open. A result's `camera`, `epoch` and `index` say whose it is; results of one camera come in order.

    Args:
        loaded: the model; stays open.
        cameras: names are their own.
        sinks: called one after the other from one thread; they stay open.
        steps: by name of a camera, its own; applied to its results before sinks have them. One that raises is told of
            and left out; all stay open.
        settings: what is kept of each camera's results, before steps have them, and where Tracking has its zones; may
            change at any time. The model's conf follows the lowest.
        epochs: the last one of each camera that was watched before; those of this one are noted there.
        told: is told what happens to cameras and sinks, from any thread.

    Raises:
        ValueError: two cameras have one name, there is none, or steps are of another.
        BackendError: the model is closed.
    """

    def __init__(
        self,
        loaded: LoadedModel[Any],
        cameras: Sequence[Camera],
        sinks: Sequence[Sink] = (),
        *,
        steps: Mapping[str, Sequence[Step]] | None = None,
        settings: Settings | None = None,
        epochs: Epochs | None = None,
        told: Callable[[str], None] = _logger.warning,
    ) -> None:
        _check(cameras)
        self.loaded, self.cameras, self._told = loaded, tuple(cameras), told
        self.settings, self._epochs = settings, {} if epochs is None else epochs
        self._sinks = list(sinks)
        if strange := set(steps or ()) - {camera.name for camera in cameras}:
            raise ValueError(f"there are steps of {min(strange)}, and no such camera")
        self._steps = StepsByCamera(steps or {}, told)
        self._feeds: dict[str, Feed] = {}
        self._source: FairSource | None = None
        self._stream: Stream[Any] | None = None
        self._thread: threading.Thread | None = None
        self._detected, self._replaced = Counter[str](), Counter[str]()
        self._rates = {camera.name: Rate() for camera in cameras}
        self._begun = dict.fromkeys((camera.name for camera in cameras), time.monotonic())
        self._newest: dict[str, float] = {}
        self._done, self._wake, self._following = threading.Event(), threading.Event(), threading.Lock()
        self.error: Exception | None = None
        """What ended it, where it was not stop()."""

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if self._thread is not None:
            return
        if self.settings is not None:
            self.settings.listen(self._follow)
            self._follow()
        feeds = begin_all(self.cameras, self._wake, self._told, self._epochs)
        try:
            self._source = FairSource(feeds, self._wake)
            self._stream = self.loaded.stream(self._source)
        except BaseException:
            for feed, _ in feeds:
                feed.close()
            raise
        self._feeds = {feed.camera: feed for feed, _ in feeds}
        self._thread = threading.Thread(target=self._run, args=(self._stream,), name="yolorknn-watch", daemon=True)
        self._thread.start()

    def change(self, cameras: Sequence[Camera], steps: Mapping[str, Sequence[Step]] | None = None) -> None:
        """Watch these from now on: one that was watched as it is goes on, and does not notice.

        Args:
            cameras: all there are from now on.
            steps: of those that are new or not as they were, and of others whose steps change; all others stay as they
                are.

        Raises:
            ValueError: see Watcher.
        """
        _check(cameras)
        assert self._source is not None, "after start()"
        before = {camera.name: camera for camera in self.cameras}
        begun = [camera for camera in cameras if before.get(camera.name) != camera]
        gone = {name for name, camera in before.items() if camera not in cameras}
        self._note_epochs()
        feeds = begin_all(begun, self._wake, self._told, self._epochs)
        for camera in begun:
            self._rates[camera.name], self._begun[camera.name] = Rate(), time.monotonic()
            self._newest.pop(camera.name, None)
        anew = {camera.name for camera in begun}
        own = {name: each for name, each in self._steps.given.items() if name not in anew}
        self._steps.take({**own, **(steps or {})}, {camera.name for camera in cameras}, anew)
        left = self._source.change(gone, feeds)
        kept = {name: feed for name, feed in self._feeds.items() if name not in gone}
        self._feeds = kept | {feed.camera: feed for feed, _ in feeds}
        self.cameras = tuple(cameras)
        if self.settings is not None:
            self._follow()
        for feed in left:
            feed.stop()
        for feed in left:
            feed.close()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it ends, or for so many seconds; tell whether it has ended.

        It ends by stop(), when every source is a file and at its end, or when no NPU core is left.

        Raises:
            BackendError: no NPU core is left.
        """
        ended = self._done.wait(seconds)
        if self.error is not None:
            raise self.error
        return ended

    def stop(self) -> None:
        """End every thread, and wait for them; the sinks stay open. A second call does nothing."""
        if self._stream is not None:
            self._stream.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self.settings is not None:
            self.settings.ignore(self._follow)
        self._note_epochs()
        for feed in self._feeds.values():
            feed.close()

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def status(self) -> tuple[CameraStatus, ...]:
        """Return how every camera is, in their order; from any thread, after start()."""
        feeds = self._feeds
        return tuple(self._status(camera, feeds[camera.name]) for camera in self.cameras if camera.name in feeds)

    def _note_epochs(self) -> None:
        self._epochs |= {name: feed.status().epoch for name, feed in self._feeds.items()}

    def _status(self, camera: Camera, feed: Feed) -> CameraStatus:
        assert self._source is not None and self._stream is not None
        now, newest, source = time.monotonic(), self._newest.get(camera.name), feed.status()
        # It is counted down for one that a worker had already; what is told never goes down, as if it began anew.
        replaced = self._replaced[camera.name] = max(self._replaced[camera.name], self._source.replaced[camera.name])
        return CameraStatus(
            name=camera.name,
            weight=camera.weight,
            source=source,
            detected=self._detected[camera.name],
            lost=self._stream.failed[camera.name],
            replaced=replaced,
            detect_fps=self._rates[camera.name].fps(now) if source.state == "live" else 0.0,
            detect_age=None if newest is None else now - newest,
            quiet=now - (newest or self._begun[camera.name]),
        )

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Those that results are given to, without what failed."""
        return tuple(self._sinks)

    def _follow(self) -> None:
        """Have the model find all that the settings of any camera keep, and zones be where they say."""
        assert self.settings is not None
        with self._following:  # of two changes at once the one that read first is not to be the last to act
            conf = min(self.settings.of(camera.name).conf for camera in self.cameras)
            self.loaded.thresholds = replace(self.loaded.thresholds, conf=conf)
            for name, step in ((name, step) for name, steps in self._steps.given.items() for step in steps):
                if isinstance(step, Tracking):
                    try:
                        step.place(self.settings.of(name).zones, step.lines)
                    except ValueError as exc:
                        self._told(f"{name}: its zones stay as they were: {exc}")

    def _run(self, stream: Stream[Any]) -> None:
        try:
            while True:
                try:
                    self._give(next(stream))
                except StopIteration:
                    return
                except InferenceError as exc:  # of one frame, which stream.failed counts
                    _logger.debug("%s", exc)
        except Exception as exc:
            self.error = exc
            self._told(f"detection ended: {exc}")
        finally:
            stream.close()
            self._steps.end()
            self._done.set()

    def _give(self, result: Result[Any]) -> None:
        self._detected[result.camera] += 1
        self._rates[result.camera].add(time.monotonic())
        self._newest[result.camera] = result.arrived or time.monotonic()
        if self.settings is not None:
            result = self.settings.apply(result)
        result = self._steps.apply(result)
        for sink in list(self._sinks):
            try:
                sink.write(result)
            except (OutputError, BrokenPipeError) as exc:
                self._sinks.remove(sink)
                why = exc if isinstance(exc, OutputError) else "nobody reads the pipe any more"
                self._told(f"{why}; nothing more is written there")
            except Exception:
                _logger.exception("a sink failed on frame %d of %s", result.index, result.camera)


def _check(cameras: Sequence[Camera]) -> None:
    if not cameras or len({camera.name for camera in cameras}) < len(cameras):
        raise ValueError("cameras have names, each its own, and there is at least one")
