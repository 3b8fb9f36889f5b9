"""LoadedModel: what the classes to embed share, whatever their models find."""

from __future__ import annotations

import difflib
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from yolorknn.errors import BackendError, ModelError
from yolorknn.image import read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.predict.open_model import HERE, Place, open_model, read_metadata
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.engine import Drop
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.stages import Stages
from yolorknn.stream.stream import Stream
from yolorknn.tasks.classification import Found
from yolorknn.tasks.task import Thresholds

Self = TypeVar("Self", bound="LoadedModel[Any]")


class LoadedModel(Generic[Found]):
    """A model on what runs it: images in, what its task finds out. Threads may share one.

    Args:
        model: an .onnx or .rknn.
        thresholds: what is kept of what it finds.
        classes: ids or names of the classes that are kept besides; None for all.
        place: where it is to run.
        names: class names, for a model without metadata.
        runtime: on a board; see Detector.
        contexts: on a board, how many on each NPU core; see Detector.
        backends: objects with infer() and close() to run instead; closed with this.

    Raises:
        ModelError: the model is absent, broken, or not for this machine.
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
        runtime: Runtime = "auto",
        contexts: int = 1,
        backends: Sequence[Backend] | None = None,
    ) -> None:
        path = Path(model)
        opened: Sequence[Backend]
        if backends is not None:
            metadata, opened = read_metadata(path, names=names), list(backends)
        else:
            metadata, opened = open_model(path, place, names=names, runtime=runtime, contexts=contexts)
        self._stages = Stages(BackendPool(opened), metadata, thresholds)
        self._streams: weakref.WeakSet[Stream[Found]] = weakref.WeakSet()
        self.metadata: ModelMetadata = metadata
        try:
            if classes is not None:
                kept = tuple(class_id(metadata, entry) for entry in classes)
                self._stages.thresholds = replace(thresholds, classes=kept)
        except ModelError:
            self.close()
            raise

    @property
    def names(self) -> dict[int, str]:
        """Class names by class id."""
        return dict(enumerate(self.metadata.names))

    @property
    def imgsz(self) -> tuple[int, int]:
        """Height and width of the model's input in pixels."""
        return self.metadata.imgsz

    def _run(self, image: NDArray[Any] | str | Path | None) -> Found:
        """Run on one image; see Detector.detect and Classifier.classify."""
        if isinstance(image, (str, Path)):
            image = read_image(Path(image))
        found: Found = self._stages.run(image)
        return found

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each backend (NPU core) has been in use."""
        return self._stages.pool.busy

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each NPU core that was taken out of use was."""
        return self._stages.pool.dead

    def stream(self, source: str | Path | int | Iterable[NDArray[Any]], *, drop: Drop | None = None) -> Stream[Found]:
        """Run on every frame of a source, on threads, giving the results in order.

        Args:
            source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, or an iterable of
                images.
            drop: "none" for every frame; "old" to skip to the newest frame when the model is slower than the source.
                Default is "old" for cameras and streams, "none" for files.

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
        opened = open_source(source)
        policy: Drop = drop or ("old" if opened.live else "none")
        pool = self._stages.pool
        workers = pool.cores if policy == "old" else len(pool)  # a second frame on a core would only make both late
        stream: Stream[Found] = Stream(opened, self._stages, workers=workers, drop=policy)
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Stop every stream and free the backends; a second call does nothing."""
        for stream in list(self._streams):
            stream.abort(BackendError("the model was closed while its stream was open"))
        self._stages.pool.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def class_id(metadata: ModelMetadata, entry: int | str) -> int:
    """Return the id of a class given by id or name.

    Raises:
        ModelError: the model has no such class.
    """
    if isinstance(entry, str) and entry in metadata.names:
        return metadata.names.index(entry)
    number = int(entry) if isinstance(entry, int) or (entry.isdecimal() and len(entry) < 10) else -1
    if 0 <= number < len(metadata.names):
        return number
    close = difflib.get_close_matches(str(entry), metadata.names, n=1)
    hint = (
        f"did you mean '{close[0]}'?" if close else f"its {len(metadata.names)} classes are listed by 'yolorknn info'"
    )
    raise ModelError(f"the model has no class '{entry}': {hint}")
