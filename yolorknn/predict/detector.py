"""Detector: the class to embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from yolorknn.model.anchor_sizes import given_anchors
from yolorknn.model.class_names import given_names
from yolorknn.predict.loaded_model import LoadedModel, OtherTaskError
from yolorknn.predict.open_model import Place
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.stream.tiled import tiling_of
from yolorknn.tasks.detections import Detections
from yolorknn.tasks.task import Thresholds

_Value = TypeVar("_Value")


class _Threshold(Generic[_Value]):
    """One of the thresholds as the detector's attribute; set, it holds from the next image on."""

    def __set_name__(self, owner: type[Detector], name: str) -> None:
        self._name = name

    def __get__(self, detector: Detector, owner: type[Detector] | None = None) -> _Value:
        value: _Value = getattr(detector.thresholds, self._name)
        return value

    def __set__(self, detector: Detector, value: _Value) -> None:
        changed: dict[str, Any] = {self._name: value}
        detector.thresholds = replace(detector.thresholds, **changed)


class _Classes(_Threshold["tuple[int, ...] | None"]):
    """The classes that are kept: their ids; set by ids or names, of which the model must have each."""

    def __set__(self, detector: Detector, value: Sequence[int | str] | None) -> None:
        detector.keep(detector.thresholds, value)


class Detector(LoadedModel[Detections]):
    """A loaded model that finds objects: images in, Detections out. Threads may share one.

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
        names: class names, for a model without metadata: in order, or by id.
        anchors: for a model of YOLOv5 or YOLOv7 that does not say them, widths and heights of its anchor boxes in
            pixels, one after the other or nested, the finest stride's first; or a text file of them; or "yolov5",
            "yolov7" or "yolov7-tiny" for those that the authors publish.
        simulate: run on the vendor's simulator instead, quantized as the .rknn is; a PC with rknn-toolkit2.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.
        runtime: on a board, "lite" for rknn-toolkit-lite2, "c" for librknnrt directly; "auto" is the first where it is
            installed, else the second.
        contexts: on a board, how many on each NPU core, 1 to 8. With two a core works for one while the CPU converts
            for the other: more frames of a file, and `yolorknn bench` tells how many. A live stream uses one a core.
        backends: objects with infer() and close() to run instead; the detector closes them.
        tile: side, or height and width, in pixels of the tiles in which an image is looked at besides as a whole, so
            that small objects in a large image are found. What a border cuts is put together again. A tile of the
            model's imgsz shows everything at its size. None for the whole image only.
        overlap: share of a tile that the next one shows too, 0 to 0.9, default 0.2; objects smaller than that are cut
            by no border.

    Raises:
        ValueError: a threshold, tile, overlap or contexts is out of range or no number, anchors are no numbers, classes
            is one name or id and no list of such, names are no such list, or there is no such runtime, whether this
            machine is a board or not.
        ModelError: the model is absent, broken, or not for this machine.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """

    conf = _Threshold[float]()
    iou = _Threshold[float]()
    max_det = _Threshold[int]()
    classes = _Classes()
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
        names: Sequence[str] | Mapping[int, str] | None = None,
        anchors: str | Path | Sequence[float] | Sequence[Sequence[float]] | NDArray[Any] | None = None,
        simulate: bool = False,
        dataset: str | Path | None = None,
        runtime: Runtime = "auto",
        contexts: int = 1,
        backends: Sequence[Backend] | None = None,
        tile: int | tuple[int, int] | None = None,
        overlap: float | None = None,
    ) -> None:
        thresholds = Thresholds(conf, iou, max_det, None, multi_label, agnostic_nms)
        super().__init__(
            model,
            thresholds=thresholds,
            classes=classes,
            place=Place(simulate, None if dataset is None else Path(dataset)),
            names=given_names(names),
            anchors=given_anchors(anchors),
            runtime=runtime,
            contexts=contexts,
            backends=backends,
            tiling=tiling_of(tile, overlap),
        )
        if self.metadata.task == "classify":
            self.close()
            raise OtherTaskError(f"{model} classifies whole images and finds no objects in them: use Classifier")

    def detect(self, image: NDArray[Any] | str | Path | None) -> Detections:
        """Detect in one image.

        Args:
            image: BGR uint8 (H, W, 3), as OpenCV reads it, not written to; or the path of an image file. None, which
                cv2.imread returns where there is no image, is refused.

        Returns:
            Objects in pixels of the image, the most confident first.

        Raises:
            ValueError: not such an array.
            SourceError: the file cannot be read.
            InferenceError: the runtime failed.
        """
        return self.run(image)
