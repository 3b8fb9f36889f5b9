"""LoadedModel: what the classes to embed share, whatever their models find."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from yolorknn.errors import BackendError, ModelError
from yolorknn.image import read_image
from yolorknn.model.anchor_sizes import AnchorSizes
from yolorknn.model.class_names import class_ids
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import HERE, Place, open_model, read_metadata
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.engine import Drop
from yolorknn.stream.sources.open_live import open_any
from yolorknn.stream.sources.source import Source
from yolorknn.stream.stream import Stream
from yolorknn.stream.tiled import Tiling, check_tiled, stages_of
from yolorknn.tasks.classification import Found
from yolorknn.tasks.task import Thresholds

Self = TypeVar("Self", bound="LoadedModel[Any]")


class OtherTaskError(ModelError):
    """A model classifies where objects are to be found, or the other way round."""


class LoadedModel(Generic[Found]):
    """A model on what runs it: images in, what its task finds out. Threads may share one.

    Args:
        model: an .onnx or .rknn.
        thresholds: what is kept of what it finds.
        classes: ids or names of the classes that are kept besides; None for all.
        place: where it is to run.
        names: class names, for a model without metadata.
        anchors: sizes of anchor boxes, for a model that has such and no metadata.
        runtime: on a board; see Detector.
        contexts: on a board, how many on each NPU core; see Detector.
        backends: objects with infer() and close() to run instead; closed with this.
        tiling: how images are cut; None to look at each as a whole only.

    Raises:
        ModelError: the model is absent, broken, or not for this machine; or one that finds no objects is to do so in
            tiles.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        thresholds: Thresholds,
        classes: Sequence[int | str] | None = None,
        place: Place = HERE,
        names: Sequence[str] | None = None,
        anchors: AnchorSizes | None = None,
        runtime: Runtime = "auto",
        contexts: int = 1,
        backends: Sequence[Backend] | None = None,
        tiling: Tiling | None = None,
    ) -> None:
        path = Path(model)
        opened: Sequence[Backend]
        if backends is not None:
            metadata, opened = read_metadata(path, names=names, anchors=anchors), list(backends)
        else:
            metadata, opened = open_model(path, place, names=names, anchors=anchors, runtime=runtime, contexts=contexts)
        self._stages = stages_of(BackendPool(opened), metadata, thresholds, tiling)
        self._streams: weakref.WeakSet[Stream[Found]] = weakref.WeakSet()
        self._locks: dict[int, threading.RLock] = {}
        self.metadata: ModelMetadata = metadata
        try:
            check_tiled(model, metadata, tiling)
            self.keep(thresholds, classes)
        except BaseException:
            self.close()
            raise

    @property
    def _begun(self) -> threading.RLock:
        """Held while a stream begins, which replace() and close() would miss else; a forked process has its own."""
        return self._locks.setdefault(os.getpid(), threading.RLock())

    @property
    def names(self) -> dict[int, str]:
        """Class names by class id."""
        return dict(enumerate(self.metadata.names))

    @property
    def imgsz(self) -> tuple[int, int]:
        """Height and width of the model's input in pixels."""
        return self.metadata.imgsz

    @property
    def thresholds(self) -> Thresholds:
        """What is kept of what it finds; may be replaced while streams are open, from any thread."""
        return self._stages.thresholds

    @thresholds.setter
    def thresholds(self, thresholds: Thresholds) -> None:
        self._stages.thresholds = thresholds

    def run(self, image: NDArray[Any] | str | Path | None) -> Found:
        """Run on one image, whatever the task; see Detector.detect and Classifier.classify."""
        if isinstance(image, (str, Path)):
            image = read_image(Path(image))
        while True:
            stages = self._stages
            try:
                found: Found = stages.run(image)
            except BackendError:
                if stages is self._stages:
                    raise
            else:  # otherwise another model took over meanwhile
                return found

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each NPU core has been in use; of a backend of one's own, each."""
        return self._stages.pool.busy

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each NPU core that was taken out of use was."""
        return self._stages.pool.dead

    def stream(
        self,
        source: str | Path | int | Iterable[NDArray[Any]] | Source,
        *,
        drop: Drop | None = None,
        fps: float | None = None,
    ) -> Stream[Found]:
        """Run on every frame of a source, on threads, giving the results in order.

        A camera or stream that is there, and is lost later, is opened again whenever that can be; the stream waits.

        Args:
            source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, an iterable of images,
                or a Source of one's own. Images are read ahead and not copied: each must be an array of its own, as one
                buffer that is filled again and again would change results that wait.
            drop: "none" for every frame; "old" to skip to the newest frame when the model is slower than the source.
                Default is "old" for cameras and streams, "none" for files.
            fps: of a camera or stream the most frames a second that are wanted, above 0; None for all.

        Returns:
            An iterator of (frame, index, timestamp, what was found), and a context manager.

        Raises:
            SourceError: the source cannot be opened.
            BackendError: the model is closed.
        """
        if drop not in (None, "none", "old"):
            raise ValueError(f"drop is 'none' or 'old', not {drop!r}")
        if self._stages.pool.closed:
            raise BackendError("the model is closed")
        opened = open_any(source, keep=drop == "none", fps=fps)
        policy: Drop = drop or ("old" if opened.live else "none")
        with self._begun:
            workers = self._stages.workers(newest=policy == "old")
            stream: Stream[Found] = Stream(opened, self._stages, workers=workers, drop=policy)
            self._streams.add(stream)
        return stream

    def keep(self, thresholds: Thresholds, classes: Sequence[int | str] | None = None) -> None:
        """Have this kept of what it finds, from the next frame on; also while it runs.

        Raises:
            ModelError: it has no such class.
            ValueError: classes is one name or id and no list of such.
        """
        if isinstance(classes, str) or not isinstance(classes, Iterable | None):  # a text's letters would be names
            raise ValueError(f"classes is a list of ids or names, as [{classes!r}], not {classes!r}")
        kept = None if classes is None else [number for entry in classes for number in class_ids(self.metadata, entry)]
        self._stages.thresholds = replace(thresholds, classes=None if kept is None else tuple(dict.fromkeys(kept)))

    def prove(self) -> None:
        """Run it once on every context, on a picture of noise, and look whether what comes back are numbers.

        Raises:
            InferenceError: a runtime gave nothing, something else than the model promises, or what is no number.
            BackendError: a runtime failed.
        """
        self._stages.prove()

    def finds_as(self, other: LoadedModel[Any]) -> bool:
        """Tell whether it finds what another does: of one task, with the same names."""
        one, two = self.metadata, other.metadata
        return (one.task, one.names, one.keypoints) == (two.task, two.names, two.keypoints)

    def replace(self, other: LoadedModel[Any], patience: float = 30.0) -> None:
        """Go on with another's model, between two frames of each stream, none of which is lost.

        To be called by another thread than takes results: frames that are begun end with the model they began with.

        Args:
            other: finds the same: of one task, with the same names; without a stream, and not used any more.
            patience: seconds for the inferences under way; a core that takes longer hangs, and its frame is lost.

        Raises:
            ModelError: it finds something else.
        """
        if not self.finds_as(other):
            raise ModelError("another model takes over only where its task, classes and keypoints are the same")
        with self._begun:
            old, self._stages, self.metadata = self._stages, other._stages, other.metadata
            streams = list(self._streams)
        for stream in streams:
            stream.replace(self._stages, patience)
        old.pool.close()

    def close(self) -> None:
        """Stop every stream and free the backends; a second call does nothing."""
        with self._begun:
            streams = list(self._streams)
        for stream in streams:
            stream.abort(BackendError("the model was closed while its stream was open"))
        self._stages.pool.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
