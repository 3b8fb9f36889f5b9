"""Where a quantized model loses accuracy and time, by layer: rknn-toolkit2's own analysis and build log, parsed."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.recorded import recipe_of
from yolorknn.convert.tables.estimate import Estimate, estimate, layer_ms
from yolorknn.convert.tables.layers import Layer, LayerError, parse_errors, parse_layers, worst_first
from yolorknn.convert.toolkit.child import Job
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, CalibrationError, MissingDependencyError
from yolorknn.files import atomic, writing
from yolorknn.image import Image, read_image
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import Dtype
from yolorknn.progress import Progress
from yolorknn.tasks.known import task_of

SHOWN = 20
"""Bars of each kind in a plot."""


@dataclass(frozen=True)
class Analysis:
    """What rknn-toolkit2 says of a model's layers."""

    model: str
    platform: str
    dtype: Dtype
    toolkit: str
    image: str
    errors: tuple[LayerError, ...]
    """Float against quantized, on the image, in the order of the graph."""
    layers: tuple[Layer, ...]
    """As the compiler placed them; several of `errors` may have become one."""
    estimate: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: the fields, the worst layers first."""
        return {
            **{name: getattr(self, name) for name in ("model", "platform", "dtype", "toolkit", "image")},
            "errors": [asdict(error) for error in worst_first(self.errors)],
            "layers": [{**asdict(layer), "ms": self.ms(layer)} for layer in self.layers],
            "cpu": [layer.name for layer in self.layers if layer.fallback],
            "estimate": asdict(self.estimate),
        }

    def ms(self, layer: Layer) -> float:
        """Return the layer's share of the estimate in ms; of the bound, where no speeds are published."""
        return round(layer_ms(layer, self.estimate.bandwidth), 4)

    @property
    def _figure(self) -> str:
        return "estimated ms" if self.estimate.ms is not None else "ms at best"

    def table(self, rows: int) -> str:
        """Return the worst and the slowest `rows` layers, what falls to the CPU, and the estimate, as text."""
        kind = "fp16" if self.dtype == "fp16" else "int8"
        lines = [
            f"{self.model} for {self.platform}, {kind}, by rknn-toolkit2 {self.toolkit}; image: {self.image}",
            f"\nfloat against {kind}, the worst layers of {len(self.errors)} first",
            "(1: the same; q_zero: all 0 in int8; single: what the layer alone loses; entire: with all before it)",
            f"{'single cos':>10} {'eucl.':>10} {'entire cos':>10} {'eucl.':>10}  layer",
            *(_error_row(error) for error in worst_first(self.errors)[:rows]),
        ]
        placed = [layer for layer in self.layers if not layer.op.endswith("putOperator")]
        slow = sorted(placed, key=self.ms, reverse=True)[:rows]
        lines += [
            f"\nthe slowest operators of {len(placed)}, {self._figure}",
            f"{'ms':>10} {'MB moved':>10} {'dtype':>10} {'runs on':>10}  operator",
            *(
                f"{self.ms(layer):>10.3f} {layer.moved_bytes / 1e6:>10.2f} {layer.dtype:>10} {layer.target:>10}  "
                f"{layer.name or layer.op}"
                for layer in slow
            ),
        ]
        fallen = [layer for layer in placed if layer.fallback]
        lines += [
            f"\non the CPU: {len(fallen)} of {len(placed)} operators" + ", which the NPU waits for" * bool(fallen)
        ]
        lines += [f"  {layer.op} {layer.outputs}  {layer.name}" for layer in fallen]
        without = "the time on the CPU, " if fallen else ""
        lines += [
            f"\nestimated per frame on one NPU core: {self.estimate}",
            f"  {self.estimate.how}",
            f"  without {without}pre- and post-processing; measure with 'yolorknn bench' on the board",
        ]
        return "\n".join(lines)


def _error_row(error: LayerError) -> str:
    numbers = (error.single_cosine, error.single_euclidean, error.entire_cosine, error.entire_euclidean)
    cells = (f"{error.note or '-' if value is None else format(value, '.5f'):>10}" for value in numbers)
    return f"{' '.join(cells)}  [{error.op}] {error.tensor}"


def analyze(
    model: Path,
    *,
    image: Path | None = None,
    platform: str = "rk3588",
    dtype: Dtype | None = None,
    dataset: Path | None = None,
    names: list[str] | None = None,
    options: BuildOptions | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Build a model as `build` does, compare each layer with the float model's on one image, and read the build log.

    The vendor dumps every tensor as text, 1.2 GB for an input of 640x640; the dumps go as soon as they are read.

    Args:
        model: an .onnx, or a .rknn, which stands for its recipe and must have its .onnx beside it.
        image: any image file; default is the first calibration image.
        platform: for an .onnx, the chip.
        dtype: for an .onnx, "i8" or "fp16"; default is "i8" with a dataset and "fp16" without.
        dataset: calibration set; default for a .rknn is the one it was built with.
        names: class names, for an .onnx without metadata.
        options: for an .onnx, the vendor's options.
        progress: told the stages.

    Raises:
        ModelError: the file is absent or broken, or a .rknn's .onnx is not beside it.
        CalibrationError: the calibration set is absent or broken, or there is neither it nor an image.
        SourceError: the image cannot be read.
        BuildError: rknn-toolkit2 failed, or printed what cannot be parsed; the log is named.
    """
    shown = read_image(image) if image is not None else None
    with recipe_of(
        model, platform=platform, dtype=dtype, dataset=dataset, names=names, options=options, progress=progress
    ) as recipe:
        if shown is not None:
            array = recipe.scratch / "image.npy"
            with writing(array):
                np.save(array, _input(shown, recipe.metadata))
        elif recipe.job.dataset is not None:
            array = recipe.scratch / Path(recipe.job.dataset).read_text(encoding="utf-8").splitlines()[0]
        else:
            raise CalibrationError("an fp16 model has no calibration image to compare layers on: pass --image")
        job = replace(recipe.job, verbose=True, analyze=str(array))
        layers, errors = _run(job, progress)
    build = recipe.metadata.build
    assert build is not None
    return Analysis(
        model=str(model),
        platform=build.platform,
        dtype=build.dtype,
        toolkit=build.toolkit,
        image=str(image) if image is not None else f"the first of {build.dataset}",
        errors=tuple(errors),
        layers=tuple(layers),
        estimate=estimate(layers, build.platform),
    )


def _input(image: Image, metadata: ModelMetadata) -> NDArray[np.uint8]:
    """Lay an image into the model's input as the detector does, as the (1, 3, H, W) that rknn-toolkit2 reads."""
    canvas = task_of(metadata).canvas(metadata.imgsz)
    canvas.fill(image)
    ordered = canvas.pixels if metadata.colour == "RGB" else canvas.pixels[..., ::-1]
    return np.ascontiguousarray(ordered.transpose(2, 0, 1)[None])


def _run(job: Job, progress: Progress | None) -> tuple[list[Layer], list[LayerError]]:
    descriptor, name = tempfile.mkstemp(prefix="yolorknn-analyze-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    try:
        with Toolkit(job, log=log, progress=progress) as toolkit:
            printed, compared = toolkit.output(), toolkit.analysis()
        try:
            found = parse_layers(printed), parse_errors(compared)
        except BuildError as exc:
            raise BuildError(f"{exc} (log: {log})") from exc
    except BaseException as exc:
        if not isinstance(exc, BuildError):  # which names the log
            log.unlink()
        raise
    log.unlink()
    return found


def write_csv(analysis: Analysis, path: Path) -> Path:
    """Write the errors, the worst layers first, to `path`, and the operators to NAME-operators.csv beside it.

    Returns:
        The second file.

    Raises:
        OutputError: a file cannot be written.
    """
    operators = path.with_name(f"{path.stem}-operators{path.suffix}")
    _write(path, [asdict(error) for error in worst_first(analysis.errors)])
    _write(operators, [{**asdict(layer), "ms": analysis.ms(layer)} for layer in analysis.layers])
    return operators


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def plot(analysis: Analysis, path: Path) -> None:
    """Draw what each layer loses, along the graph, and the estimated ms of the slowest operators.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingDependencyError("matplotlib", "pc", "a plot") from exc
    figure = Figure(figsize=(16, 5), layout="constrained")
    course, worst, slowest = figure.subplots(1, 3)
    for kind, colour in (("entire", "tab:gray"), ("single", "tab:blue")):
        cosines = [getattr(error, f"{kind}_cosine") for error in analysis.errors]
        lost = [(number, _lost(cosine)) for number, cosine in enumerate(cosines) if cosine is not None]
        course.plot(*zip(*lost, strict=True), color=colour, label=kind, linewidth=1)
    course.set(title="1 - cosine", xlabel="layer, in the order of the graph", yscale="log")
    course.legend()
    bad = [error for error in worst_first(analysis.errors) if error.single_cosine is not None][:SHOWN]
    _bars(worst, [(error.tensor, _lost(error.single_cosine or 0.0), "tab:blue") for error in bad])
    worst.set(title="1 - cosine of the worst single layers")
    slow = sorted(analysis.layers, key=analysis.ms, reverse=True)[:SHOWN]
    colours = {"INT8": "tab:blue"}
    _bars(
        slowest,
        [(layer.name or layer.op, analysis.ms(layer), colours.get(layer.dtype, "tab:orange")) for layer in slow],
    )
    slowest.set(title=f"slowest operators, {analysis._figure}", xlabel="blue int8, orange another dtype")
    figure.suptitle(f"{Path(analysis.model).name}, {analysis.platform}; a frame, estimated: {analysis.estimate}")
    with atomic(path) as temporary:
        figure.savefig(temporary)


def _lost(cosine: float) -> float:
    return max(1 - cosine, 5e-6)  # half of the last digit that the vendor prints


def _bars(axes: Any, bars: Sequence[tuple[str, float, str]]) -> None:
    axes.barh(range(len(bars)), [bar[1] for bar in bars], color=[bar[2] for bar in bars])
    names = [bar[0] if len(bar[0]) <= 32 else f"...{bar[0][-29:]}" for bar in bars]
    axes.set_yticks(range(len(bars)), names, fontsize=7)
    axes.locator_params(axis="x", nbins=5)
    axes.invert_yaxis()
