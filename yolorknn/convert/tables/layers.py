"""What rknn-toolkit2 prints about a model's layers, parsed: the table of its build log, and error_analysis.txt.

Both are text of an undocumented form, seen with 2.3.2 and 2.5.0 on every platform; a row that does not fit it is an
error here, so that nothing is left out in silence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from yolorknn.errors import BuildError

TITLE = "Network Layer Information Table"

_PREFIX = re.compile(r"^\s*[A-Z] RKNN: \[[\d:.]+\] ?")
_ROW = re.compile(
    r"(?P<number>\d{1,18})\s+(?P<op>\S+)\s+(?P<dtype>\S+)\s+(?P<target>CPU|NPU|GPU)\s+(?P<inputs>\S+)\s+(?P<outputs>\S+)\s+"
    r"(?P<ddr>\d{1,18})/(?P<npu>\d{1,18})/(?P<total>\d{1,18})\s+(?:(?P<sparse>\d{1,9}(?:\.\d{1,18})?)%\s+)?"
    r"(?P<read_kb>\d{1,18})(?:\s+(?P<name>\S.*))?"
)
_VALUE = r"([\w.+-]+)"
_PAIR = rf"{_VALUE} {{1,9}}\| {{1,9}}{_VALUE}"
_PAIRS = re.compile(rf"(?<!\s)\s+{_PAIR}\s+{_PAIR}\s*$")
_ERROR = re.compile(r"\[(\w+)\] (.+)")
_SHAPE = re.compile(r"\(([\d,]{1,200})\)")


@dataclass(frozen=True)
class Layer:
    """One row of the build log's table: an operator as the compiler placed it."""

    number: int
    op: str
    dtype: str
    target: str
    """CPU, NPU or GPU."""
    inputs: str
    """Shapes as printed, weights among them: `(1,3,640,640),(16,3,3,3),(16)`; `,...` where there are more."""
    outputs: str
    ddr_cycles: int
    """Cycles to move inputs, weights and outputs."""
    npu_cycles: int
    """Cycles to multiply."""
    total_cycles: int
    """The larger of the two; 0 where the compiler does not model the operator."""
    sparse_percent: float | None
    """Share of zero weights; on the chips that make use of it."""
    read_kb: int
    """Inputs and weights; what is written is not in it, whatever the vendor's title `RW` says."""
    name: str
    """`Conv:/model.0/conv/Conv`; empty for some that the compiler adds."""

    @property
    def fallback(self) -> bool:
        """Whether an operator of the model, and not its input or output, runs on the CPU."""
        return self.target == "CPU" and self.op not in ("InputOperator", "OutputOperator")

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written, the latter after the outputs' shapes; as many as read where not all are printed."""
        if self.outputs.endswith("..."):
            return 2 * self.read_kb * 1024
        written = sum(_elements(shape) for shape in _SHAPE.findall(self.outputs))
        return self.read_kb * 1024 + written * _width(self.dtype)


def said_lines(log: str) -> list[str]:
    """Return the lines of a log without level and time before them, and without blanks around them."""
    return [_PREFIX.sub("", line).strip() for line in log.splitlines()]


def parse_layers(log: str) -> list[Layer]:
    """Return the last layer table of a verbose build log.

    Raises:
        BuildError: there is none, it is cut off, or a row has another form.
    """
    lines = said_lines(log)
    titles = [number for number, line in enumerate(lines) if line == TITLE]
    if not titles:
        raise BuildError("rknn-toolkit2 printed no layer table: is it a version other than 2.3.2 to 2.5.0?")
    layers: list[Layer] = []
    rules = 0  # horizontal ones: before and after the heading, and at the end
    for line in lines[titles[-1] + 1 :]:
        if line and not line.strip("-"):
            rules += 1
            if rules == 3:
                return layers
        elif rules == 2 and line:
            layers.append(_layer(line))
    raise BuildError(f"rknn-toolkit2's layer table is cut off after {len(layers)} layers")


def _layer(line: str) -> Layer:
    found = _ROW.fullmatch(line)
    if not found:
        raise BuildError(f"rknn-toolkit2's layer table has a row of another form: {line[:200]}")
    return Layer(
        number=int(found["number"]),
        op=found["op"],
        dtype=found["dtype"],
        target=found["target"],
        inputs=found["inputs"],
        outputs=found["outputs"],
        ddr_cycles=int(found["ddr"]),
        npu_cycles=int(found["npu"]),
        total_cycles=int(found["total"]),
        sparse_percent=None if found["sparse"] is None else float(found["sparse"]),
        read_kb=int(found["read_kb"]),
        name=found["name"] or "",
    )


def _elements(shape: str) -> int:
    count = 1
    for side in filter(None, shape.split(",")):
        count *= int(side)
    return count


def _width(dtype: str) -> int:
    digits = re.search(r"\d{1,4}", dtype)
    return max(int(digits[0]) // 8, 1) if digits else 4  # FLOAT and BOOL carry no digits


@dataclass(frozen=True)
class LayerError:
    """One row of error_analysis.txt: how far a tensor of the quantized model is from the float model's.

    The cosine is 1 where they agree. `entire` lets the errors of the layers before add up; `single` feeds the layer the
    float model's input, so that it shows what this layer alone costs. None where the vendor gives no number.
    """

    op: str
    tensor: str
    entire_cosine: float | None
    entire_euclidean: float | None
    single_cosine: float | None
    single_euclidean: float | None
    note: str = ""
    """Why there is no number: "fused" into another layer, or the vendor's word: `q_zero` for a tensor all 0 in int8,
    `q_inf` and `q_nan` for one with values beyond float16, or behind such."""


def parse_errors(text: str) -> list[LayerError]:
    """Return the rows of error_analysis.txt, in the order of the graph.

    Raises:
        BuildError: there are none.
    """
    errors = []
    for line in text.splitlines():
        pairs = _PAIRS.search(line)
        head = _ERROR.fullmatch((line[: pairs.start()] if pairs else line).rstrip())
        if head:
            words = pairs.groups() if pairs else ()
            if not words:
                errors.append(LayerError(head[1], head[2], None, None, None, None, "fused"))
                continue
            first, second, third, fourth = map(_finite, words)
            note = next((word for word in words if _finite(word) is None), "")
            errors.append(LayerError(head[1], head[2], first, second, third, fourth, note))
    if not errors:
        raise BuildError("rknn-toolkit2's accuracy analysis lists no layers")
    return errors


def _finite(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def worst_first(errors: Sequence[LayerError]) -> list[LayerError]:
    """Sort by the single cosine: first the layers that lost everything, then those that cost most; fused ones last."""

    def key(error: LayerError) -> float:
        if error.note == "fused":
            return 2.0
        return -1.0 if error.single_cosine is None else error.single_cosine

    return sorted(errors, key=key)


def lossy(errors: Sequence[LayerError], *, below: float = 2.0) -> list[str]:
    """Return the tensors that could be kept in float16 and whose single cosine is below a threshold, worst first."""
    return [
        error.tensor
        for error in worst_first(errors)
        if error.note != "fused" and error.op != "Input" and (error.single_cosine or -1.0) < below
    ]
