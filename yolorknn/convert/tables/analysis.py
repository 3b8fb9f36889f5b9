"""What an analysis says, as JSON, text, CSV and a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolorknn.convert.figure import drawing
from yolorknn.convert.tables.estimate import Estimate, layer_ms
from yolorknn.convert.tables.layers import Layer, LayerError, worst_first
from yolorknn.convert.tables.off_the_npu import OnCpu
from yolorknn.files import atomic
from yolorknn.model.platforms import Dtype
from yolorknn.text import printable

SHOWN = 20
"""Bars of each kind in a plot."""
LETTERS = 48
"""Of a layer's name beside its bar; its end tells more than its beginning."""


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
    estimate: Estimate | None
    """None where no operator is on the NPU of which the compiler counts cycles."""
    off_the_npu: tuple[OnCpu, ...] = ()
    said: tuple[str, ...] = ()
    """What the compiler printed of operators that it gives to the CPU."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: the fields, the worst layers first."""
        return {
            **{name: getattr(self, name) for name in ("model", "platform", "dtype", "toolkit", "image")},
            "errors": [asdict(error) for error in worst_first(self.errors)],
            "layers": [{**asdict(layer), "ms": self.ms(layer)} for layer in self.layers],
            "cpu": [layer.name for layer in self.layers if layer.fallback],
            "estimate": None if self.estimate is None else asdict(self.estimate),
            "off_the_npu": [asdict(row) for row in self.off_the_npu],
            "compiler": list(self.said),
        }

    def ms(self, layer: Layer) -> float:
        """Return the layer's share of the estimate in ms; of the bound, where no speeds are published."""
        return 0.0 if self.estimate is None else round(layer_ms(layer, self.estimate.bandwidth), 4)

    @property
    def _figure(self) -> str:
        return "estimated ms" if self.estimate is not None and self.estimate.ms is not None else "ms at best"

    def table(self, rows: int) -> str:
        """Return the worst and the slowest `rows` layers, what falls to the CPU, and the estimate, as text."""
        kind = "fp16" if self.dtype == "fp16" else "int8"
        lines = [
            f"{printable(self.model)} for {self.platform}, {kind}, by rknn-toolkit2 {self.toolkit}"
            + f"; image: {printable(self.image)}" * bool(self.image)
        ]
        if self.errors:
            lines += [
                f"\nfloat against {kind}, the worst layers of {len(self.errors)} first",
                "(1: the same; q_zero: all 0 in int8; q_inf, q_nan: beyond float16's 65504; single: what the layer "
                "alone loses; entire: with all before it)",
                f"{'single cos':>10} {'eucl.':>10} {'entire cos':>10} {'eucl.':>10}  layer",
                *(_error_row(error) for error in worst_first(self.errors)[:rows]),
            ]
        else:
            lines += ["\nno layer is compared with the float model's, for which inputs are needed: pass --input"]
        placed = [layer for layer in self.layers if not layer.op.endswith("putOperator")]
        slow = sorted(placed, key=self.ms, reverse=True)[:rows]
        lines += [
            f"\nthe slowest operators of {len(placed)}, {self._figure}",
            f"{'ms':>10} {'cycles':>10} {'MB moved':>10} {'dtype':>10} {'runs on':>10}  operator",
            *(
                f"{self.ms(layer):>10.3f} {layer.total_cycles:>10} {layer.moved_bytes / 1e6:>10.2f} {layer.dtype:>10} "
                f"{layer.target:>10}  "
                f"{_named(layer)}"
                for layer in slow
            ),
        ]
        fallen = [layer for layer in placed if layer.fallback]
        lines += [
            f"\non the CPU: {len(fallen)} of {len(placed)} operators" + ", which the NPU waits for" * bool(fallen)
        ]
        for layer, row in zip(fallen, self.off_the_npu, strict=False):
            lines += [f"  {_named(layer)}  {layer.outputs}", f"    perhaps because {row.why}"]
        lines += [f"  the compiler: {line}" for line in self.said]
        if self.estimate is None:
            return "\n".join([*lines, "\nno operator runs on the NPU of which the compiler counts cycles: no estimate"])
        without = "the time on the CPU, " if fallen else ""
        lines += [
            f"\nestimated per frame on one NPU core: {self.estimate}",
            f"  {self.estimate.how}",
            f"  without {without}pre- and post-processing; measure with 'yolorknn bench' on the board",
        ]
        return "\n".join(lines)


def _named(layer: Layer) -> str:
    """Return an operator and its name; put together they would look like a URL, whose end is not shown."""
    return f"{layer.op} {layer.name.partition(':')[2] or layer.name}".rstrip()


def _error_row(error: LayerError) -> str:
    numbers = (error.single_cosine, error.single_euclidean, error.entire_cosine, error.entire_euclidean)
    cells = (f"{error.note or '-' if value is None else format(value, '.5f'):>10}" for value in numbers)
    return f"{' '.join(cells)}  [{error.op}] {printable(error.tensor)}"


def write_csv(analysis: Analysis, path: Path) -> Path:
    """Write the errors, the worst layers first, to `path`, and the operators to NAME-operators.csv beside it.

    Returns:
        The second file.

    Raises:
        OutputError: a file cannot be written.
    """
    operators = path.with_name(f"{path.stem}-operators{path.suffix}")
    _write(path, list(LayerError.__dataclass_fields__), [asdict(error) for error in worst_first(analysis.errors)])
    columns = [*Layer.__dataclass_fields__, "ms"]
    _write(operators, columns, [{**asdict(layer), "ms": analysis.ms(layer)} for layer in analysis.layers])
    return operators


def _write(path: Path, columns: list[str], rows: Sequence[dict[str, Any]]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def draw(analysis: Analysis, path: Path) -> None:
    """Draw what each layer loses, along the graph, and the estimated ms of the slowest operators.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    estimated = f"; a frame, estimated: {analysis.estimate}" if analysis.estimate else ""
    title = f"{Path(analysis.model).name}, {analysis.platform}{estimated}"
    with drawing(path, title, columns=3, size=(22, 8)) as (course, worst, slowest):
        _draw(analysis, course, worst, slowest)


def _draw(analysis: Analysis, course: Any, worst: Any, slowest: Any) -> None:
    for kind, colour in (("entire", "tab:gray"), ("single", "tab:blue")):
        cosines = [getattr(error, f"{kind}_cosine") for error in analysis.errors]
        lost = [(number, _lost(cosine)) for number, cosine in enumerate(cosines) if cosine is not None]
        if lost:
            course.plot(*zip(*lost, strict=True), color=colour, label=kind, linewidth=1)
    course.set(
        title="1 - cosine", xlabel="layer, in the order of the graph", yscale="log" if analysis.errors else "linear"
    )
    if analysis.errors:
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


def _lost(cosine: float) -> float:
    return max(1 - cosine, 5e-6)  # half of the last digit that the vendor prints


def _bars(axes: Any, bars: Sequence[tuple[str, float, str]]) -> None:
    axes.barh(range(len(bars)), [bar[1] for bar in bars], color=[bar[2] for bar in bars])
    names = [bar[0] if len(bar[0]) <= LETTERS else f"...{bar[0][-LETTERS + 3 :]}" for bar in bars]
    axes.set_yticks(range(len(bars)), [name.replace("$", r"\$") for name in names], fontsize=9)
    axes.locator_params(axis="x", nbins=5)
    axes.invert_yaxis()
