"""Classifier: the class to embed where the whole image is classified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from yolorknn.model.class_names import given_names
from yolorknn.predict.loaded_model import LoadedModel, OtherTaskError
from yolorknn.predict.open_model import Place
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.tasks.classification import Classification
from yolorknn.tasks.task import Thresholds


class Classifier(LoadedModel[Classification]):
    """A loaded model that classifies: images in, a Classification out. Threads may share one.

        with Classifier("v8n-cls-rk3588-i8.rknn") as classifier:
            for class_id, confidence in classifier.classify("bus.jpg").top(5):
                print(classifier.names[class_id], confidence)

    Args:
        model: an .onnx (runs on onnxruntime) or, on a Rockchip board, a .rknn (runs on every NPU core).
        names: class names, for a model without metadata: in order, or by id.
        simulate: run on the vendor's simulator instead, quantized as the .rknn is; a PC with rknn-toolkit2.
        dataset: with simulate, the calibration set; default is the one that the .rknn was built with.
        runtime: on a board, "lite", "c" or "auto"; see Detector.
        contexts: on a board, how many on each NPU core; see Detector.
        backends: objects with infer() and close() to run instead; the classifier closes them.

    Raises:
        ModelError: the model is absent, broken, not for this machine, or finds objects.
        BackendError: the runtime refused it.
        MissingDependencyError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        names: Sequence[str] | Mapping[int, str] | None = None,
        simulate: bool = False,
        dataset: str | Path | None = None,
        runtime: Runtime = "auto",
        contexts: int = 1,
        backends: Sequence[Backend] | None = None,
    ) -> None:
        super().__init__(
            model,
            thresholds=Thresholds(),
            place=Place(simulate, None if dataset is None else Path(dataset)),
            names=given_names(names),
            runtime=runtime,
            contexts=contexts,
            backends=backends,
        )
        if self.metadata.task != "classify":
            self.close()
            raise OtherTaskError(
                f"{model} finds objects (task '{self.metadata.task}') and classifies no images: use Detector"
            )

    def classify(self, image: NDArray[Any] | str | Path | None) -> Classification:
        """Classify one image.

        Args:
            image: BGR uint8 (H, W, 3), as OpenCV reads it, not written to; or the path of an image file. None, which
                cv2.imread returns where there is no image, is refused.

        Returns:
            Every class with its probability, the most probable first.

        Raises:
            ValueError: not such an array.
            SourceError: the file cannot be read.
            InferenceError: the runtime failed.
        """
        return self.run(image)
