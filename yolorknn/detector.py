"""Detector: the class to embed."""

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
from yolorknn.open_model import Place, open_model, read_metadata
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.runtime.pool import BackendPool
from yolorknn.stream.engine import Drop
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.stages import Stages
from yolorknn.stream.stream import Stream
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.task import Thresholds

_Value = TypeVar("_Value")


class _Threshold(Generic[_Value]):
    """One of the thresholds as the detector's attribute; set, it holds from the next image on."""

    def __set_name__(self, owner: type[Detector], name: str) -> None:
        self._name = name

    def __get__(self, detector: Detector, owner: type[Detector] | None = None) -> _Value:
        value: _Value = getattr(detector._stages.thresholds, self._name)
        return value

    def __set__(self, detector: Detector, value: _Value) -> None:
        changed: dict[str, Any] = {self._name: value}
        detector._stages.thresholds = replace(detector._stages.thresholds, **changed)


class Detector:
    """A loaded model: images in, Detections out. Threads may share one.

        with Detector("v8n-rk3588-i8.rknn") as detector:
            for frame, index, timestamp, detections in detector.stream("camera0"):
                ...

    Args:
        model: an .onnx (runs on onnxruntime) or, on a Rockchip board, a .rknn (runs on every NPU core).
        conf: confidence threshold, 0 to 1; boxes above it are kept.
        iou: IoU threshold of NMS, 0 to 1.
        classes: class ids or names to keep; None for all.
        max_det: most boxes per image.
        multi_label: give a box for each class above conf, not only for its best one (what ultralytics' val does).
        agnostic_nms: let a box suppress overlapping ones of other classes too.
        names: class names, for a model without metadata.
        simulate: run on the vendor's simulator instead, quantized as the .rknn is; a PC with rknn-toolkit2.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.
        runtime: on a board, "lite" for rknn-toolkit-lite2, "c" for librknnrt directly; "auto" is the first where it is
            installed, else the second.
        contexts: on a board, how many on each NPU core. With two a core works for one while the CPU converts for the
            other: more frames of a file, of which `yolorknn bench` tells how many. A live stream uses one a core.
        backends: objects with infer() and close() to run instead; the detector closes them.

    Raises:
        ValueError: a threshold is out of range, or there is no such runtime.
        ModelError: the model is absent, broken, or not for this machine.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """

    conf = _Threshold[float]()
    iou = _Threshold[float]()
    max_det = _Threshold[int]()
    classes = _Threshold[tuple[int, ...] | None]()
    multi_label = _Threshold[bool]()
    agnostic_nms = _Threshold[bool]()

    def __init__(
        self,
        model: str | Path,
        *,
        conf: float = 0.25,
        iou: float = 0.7,
        classes: Sequence[int | str] | None = None,
        max_det: int = 300,
        multi_label: bool = False,
        agnostic_nms: bool = False,
        names: Sequence[str] | None = None,
        simulate: bool = False,
        dataset: str | Path | None = None,
        runtime: Runtime = "auto",
        contexts: int = 1,
        backends: Sequence[Backend] | None = None,
    ) -> None:
        thresholds = Thresholds(conf, iou, max_det, None, multi_label, agnostic_nms)
        path = Path(model)
        opened: Sequence[Backend]
        if backends is not None:
            metadata, opened = read_metadata(path, names=names), list(backends)
        else:
            place = Place(simulate, None if dataset is None else Path(dataset))
            metadata, opened = open_model(path, place, names=names, runtime=runtime, contexts=contexts)
        self._stages = Stages(BackendPool(opened), metadata, thresholds)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self.metadata = metadata
        try:
            self.classes = None if classes is None else tuple(class_id(metadata, entry) for entry in classes)
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

    def detect(self, image: NDArray[Any] | str | Path | None) -> Detections:
        """Detect in one image.

        Args:
            image: BGR uint8 (H, W, 3), as OpenCV reads it, not written to; or the path of an image file. None, which
                cv2.imread returns where there is no image, is refused.

        Returns:
            Boxes in pixels of the image, the most confident first.

        Raises:
            ValueError: not such an array.
            SourceError: the file cannot be read.
            InferenceError: the runtime failed.
        """
        if isinstance(image, (str, Path)):
            image = read_image(Path(image))
        return self._stages.detect(image)

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each backend (NPU core) has been in use."""
        return self._stages.pool.busy

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each NPU core that was taken out of use was."""
        return self._stages.pool.dead

    def stream(self, source: str | Path | int | Iterable[NDArray[Any]], *, drop: Drop | None = None) -> Stream:
        """Detect in every frame of a source, on threads, giving the results in order.

        Args:
            source: an image, folder, glob, video, "camera0", 0, "/dev/video0", a stream's URL, or an iterable of
                images.
            drop: "none" for every frame; "old" to skip to the newest frame when the model is slower than the source.
                Default is "old" for cameras and streams, "none" for files.

        Returns:
            An iterator of (frame, index, timestamp, detections), and a context manager.

        Raises:
            SourceError: the source cannot be opened.
            BackendError: the detector is closed.
        """
        if drop not in (None, "none", "old"):
            raise ValueError(f"drop is 'none' or 'old', not {drop!r}")
        if self._stages.pool.closed:
            raise BackendError("the detector is closed")
        opened = open_source(source)
        policy: Drop = drop or ("old" if opened.live else "none")
        pool = self._stages.pool
        workers = pool.cores if policy == "old" else len(pool)  # a second frame on a core would only make both late
        stream = Stream(opened, self._stages, workers=workers, drop=policy)
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Stop every stream and free the backends; a second call does nothing."""
        for stream in list(self._streams):
            stream.abort(BackendError("the detector was closed while its stream was open"))
        self._stages.pool.close()

    def __enter__(self) -> Detector:
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
    number = int(entry) if isinstance(entry, int) or entry.isdecimal() else -1
    if 0 <= number < len(metadata.names):
        return number
    close = difflib.get_close_matches(str(entry), metadata.names, n=1)
    hint = (
        f"did you mean '{close[0]}'?" if close else f"its {len(metadata.names)} classes are listed by 'yolorknn info'"
    )
    raise ModelError(f"the model has no class '{entry}': {hint}")
