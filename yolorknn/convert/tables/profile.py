"""What the vendor prints of a board's speed and memory (RKNN.eval_perf, RKNN.eval_memory), read.

Formats: the vendor's user guide of 2.3.2, sections 3.2.3 and 3.2.4, and tables of 1.6 to 2.3 that others published.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from yolorknn.errors import BackendError

_TOTAL = re.compile(r"Total (?:Time|Operator Elapsed(?: Per Frame)? Time)\(us\):\s*(\d{1,15}(?:\.\d{1,15})?)")
# OpType, calls, then us on CPU, on GPU (from 2.0 on), on NPU and in all, and the share
_OPERATOR = re.compile(
    r"^[ \t]*([A-Za-z]\w*)[ \t]+(\d{1,15})[ \t]+(\d{1,15})[ \t]+(?:(\d{1,15})[ \t]+)?(\d{1,15})[ \t]+(\d{1,15})[ \t]+"
    r"[\d.]+%?[ \t]*$",
    re.MULTILINE,
)
_MEMORY = re.compile(
    r"^[^\w\n]*(?:Total )?(Weight|Internal Tensor|Other|Total)? ?Memory:\s*(\d{1,15}(?:\.\d{1,15})?) ([KMG]i)?B",
    re.MULTILINE,
)
_UNITS = {"": 2**-20, "Ki": 2**-10, "Mi": 1.0, "Gi": 2.0**10}


class Operator(NamedTuple):
    """All layers of one kind together."""

    kind: str
    calls: int
    cpu_ms: float
    gpu_ms: float
    npu_ms: float


class Performance(NamedTuple):
    """One inference."""

    ms: float
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class Profile:
    """What a board's own tools say of a model."""

    model: str
    device: str
    ms: float
    """One inference, from set inputs to outputs, without their transfer from the PC."""
    operators: tuple[Operator, ...]
    """The slowest first; timed in a run of its own, that is slower. Empty on chips that cannot."""
    memory_mb: dict[str, float]
    """NPU memory in MiB: weight, internal (activations), other, total."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "operators": [operator._asdict() for operator in self.operators]}

    def table(self) -> str:
        """Return it as text."""
        lines = [f"{self.model} on board {self.device}: {self.ms:.2f} ms an inference, {1000 / self.ms:.1f} a second"]
        if self.operators:
            lines.append(f"{'operator':<20} {'calls':>5} {'CPU ms':>8} {'GPU ms':>8} {'NPU ms':>8}")
            lines += [
                f"{row.kind:<20} {row.calls:>5} {row.cpu_ms:>8.2f} {row.gpu_ms:>8.2f} {row.npu_ms:>8.2f}"
                for row in self.operators
            ]
        lines.append("NPU memory in MiB: " + ", ".join(f"{name} {mb:.2f}" for name, mb in self.memory_mb.items()))
        return "\n".join(lines)


def parse_performance(text: str, *, where: str) -> Performance:
    """Read what eval_perf printed.

    Raises:
        BackendError: there is no time in it.
    """
    totals = _TOTAL.findall(text)
    if not totals or float(totals[-1]) <= 0:
        raise BackendError(f"{where}: eval_perf printed no time: update the board's librknnrt.so and rknn_server")
    rows = [
        Operator(kind, int(calls), int(cpu) / 1000, int(gpu or 0) / 1000, int(npu) / 1000)
        for kind, calls, cpu, gpu, npu, _ in _OPERATOR.findall(text)
        if kind != "Total"
    ]
    rows.sort(key=lambda row: -(row.cpu_ms + row.gpu_ms + row.npu_ms))
    return Performance(float(totals[-1]) / 1000, tuple(rows))


def parse_memory(text: str, *, where: str) -> dict[str, float]:
    """Read what eval_memory printed, in MiB.

    Raises:
        BackendError: there is no total in it.
    """
    names = {"Weight": "weight", "Internal Tensor": "internal", "Other": "other", "": "total", "Total": "total"}
    found = {names[name]: float(number) * _UNITS[unit] for name, number, unit in _MEMORY.findall(text)}
    if "total" not in found:
        raise BackendError(f"{where}: eval_memory printed no sizes: update the board's librknnrt.so and rknn_server")
    return found
