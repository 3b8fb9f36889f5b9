"""RayDetector: what ray.data's map_batches runs on each NPU core, or on each CPU where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from yolorknn.errors import InferenceError, SourceError
from yolorknn.integrations.ray.claim import claimed
from yolorknn.integrations.ray.columns import Row, failed, row, schema
from yolorknn.integrations.ray.model_file import Shipped
from yolorknn.integrations.ray.pictures import Colours, Pictures, picture_column
from yolorknn.integrations.ray.version import check_version
from yolorknn.predict.loaded_model import LoadedModel
from yolorknn.predict.open_model import Place
from yolorknn.runtime.backend import Backend
from yolorknn.runtime.cores import Runtime
from yolorknn.stream.result import Result
from yolorknn.stream.stream import Stream
from yolorknn.tasks.task import Thresholds


class RayDetector:
    """A model in a Ray actor: batches of pictures in, flat columns out, a row an image.

        ray.data.read_binary_files("images/", include_paths=True).map_batches(
            RayDetector,
            fn_constructor_args=("v8n-rk3588-i8.rknn",),
            fn_constructor_kwargs={"conf": 0.4},
            resources={"rknpu": 1}, concurrency=6, batch_size=32,
        ).write_parquet("out/")

    Rows have `source`, `width`, `height` in pixels, and lists with an entry for each object: `class_id`, `name`,
    `confidence`, `x1`, `y1`, `x2`, `y2` in pixels; `mask`, `keypoints` and `xyxyxyxy` as JSON where the model finds
    these. A picture that cannot be read is a row with its `error`, and null in these.

    Args:
        model: path of an .onnx or .rknn that every node has, or what shipped() made of one that only this machine has.
        conf: confidence threshold, 0 to 1.
        iou: IoU threshold of NMS, 0 to 1.
        max_det: most objects of an image.
        agnostic_nms: let a box suppress overlapping ones of other classes too.
        classes: ids or names of the classes that are kept; None for all.
        column: the column that holds pictures: paths, URLs, encoded bytes or arrays; by default the first of
            image, bytes, path and item.
        colours: the order in arrays: "rgb" as ray.data.read_images gives them, "bgr" as OpenCV; None refuses arrays.
        simulate: run on the vendor's simulator.
        runtime: on a board, which of the vendor's; see Detector.
        backends: makes what runs instead; must be a function that Ray can send.
        version: of yolorknn that is asked for; None for whichever the node has.

    Raises:
        BackendError: the node has another version; or no core of its NPU is free.
        ModelError: the model is absent, broken, or not for the node.
    """

    def __init__(
        self,
        model: str | Path | Shipped,
        *,
        conf: float = 0.25,
        iou: float = 0.7,
        max_det: int = 300,
        agnostic_nms: bool = False,
        classes: Sequence[int | str] | None = None,
        column: str | None = None,
        colours: Colours | None = None,
        simulate: bool = False,
        runtime: Runtime = "auto",
        backends: Callable[[], Sequence[Backend]] | None = None,
        version: str | None = None,
    ) -> None:
        check_version(version)
        path = model.unpacked() if isinstance(model, Shipped) else Path(model)
        self._column, self._colours = column, colours
        self._claim = claimed(path.name, simulate=simulate) if backends is None else None
        try:
            self.loaded: LoadedModel[Any] = LoadedModel(
                path,
                thresholds=Thresholds(conf, iou, max_det, agnostic_nms=agnostic_nms),
                classes=classes,
                runtime=runtime,
                place=Place(simulate, cores=(self._claim.core,) if self._claim else None),
                backends=None if backends is None else backends(),
            )
        except BaseException:
            self._give_back()
            raise

    def __call__(self, batch: Mapping[str, Any]) -> Any:
        """Detect in a batch.

        Args:
            batch: columns, as map_batches gives them with batch_format "numpy" or "default".

        Returns:
            A pyarrow.Table with a row for each of the batch's, in their order.

        Raises:
            SourceError: it has no column of pictures.
            BackendError: no core is left.
        """
        import pyarrow as pa

        column = picture_column(batch, self._column, "the dataset")
        values = list(batch[column])
        paths = batch.get("path", values)
        named = [name if isinstance(name, str) else f"row {number}" for number, name in enumerate(paths)]
        indices = batch.get("index", range(len(values)))
        rows = list(self.rows([int(index) for index in indices], values, named))
        return pa.Table.from_pylist(rows, schema=schema(self.loaded.metadata))

    def rows(self, indices: Sequence[int], values: Sequence[Any], named: Sequence[str]) -> Iterator[Row]:
        """Give the row of each picture, in order, while those behind it are read and inferred.

        Args:
            indices: the numbers that rows get.
            values: the pictures; see Pictures.
            named: what each is called.

        Raises:
            BackendError: no core is left.
        """
        metadata = self.loaded.metadata
        rest = iter(zip(indices, named, strict=True))
        with self.loaded.stream(Pictures(values, named, self._colours)) as stream:
            while True:
                lost, came = stream.lost, _next(stream)
                for index, name in islice(rest, stream.lost - lost):  # which the stream leaves out, before what came
                    yield failed(index, name, "the NPU core did not answer", metadata)
                if came is None:
                    return
                index, name = next(rest)
                if isinstance(came, Exception):
                    yield failed(index, name, str(came), metadata)
                else:
                    yield row(index, came, name, metadata)

    def close(self) -> None:
        """Free the core."""
        self.loaded.close()
        self._give_back()

    def _give_back(self) -> None:
        if self._claim is not None:
            self._claim.close()


def _next(stream: Stream[Any]) -> Result[Any] | SourceError | InferenceError | None:
    """Return what came of the next picture that the stream gives; None behind the last."""
    try:
        return next(stream, None)
    except (SourceError, InferenceError) as exc:
        return exc
