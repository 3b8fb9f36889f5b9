"""What a model file shows of its outputs besides names and shapes: who makes each, its range, what else it says."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from yolorknn.model.anchor_sizes import KEY, AnchorSizes, stated_anchors
from yolorknn.model.fields import FAILURES, MOST_CHARACTERS

Kind = Literal["scores", "sum", "raw"]
"""Of an output: from 0 to 1 by the way it is made, as after a Sigmoid; their sum over the classes; or neither."""

SQUASHING = frozenset({"Sigmoid", "HardSigmoid", "QLinearSigmoid"})
CARRYING = frozenset({"Identity", "Cast", "QuantizeLinear", "DequantizeLinear"})
"""Ops whose output is their input in another type."""
MOVING = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Split", "Slice"})
"""Ops whose outputs hold values of their first input."""
CLIPPING = frozenset({"Clip", "Min", "Max"})
MARGIN = 0.01
"""How far a quantized range of scores may lie beyond 0 and 1."""
MOST_STEPS = 10_000
"""Through a graph's Concats: each may have the one before several times."""
WHITE = 1.0, 255.0
"""What networks take for white."""


class Node(NamedTuple):
    """What makes a tensor."""

    op: str
    inputs: tuple[str, ...]
    axis: int | None = None


@dataclass(frozen=True)
class Evidence:
    """What is known of a model's outputs."""

    nodes: Mapping[str, Node] | None = None
    """By the tensor that each makes; None where there is no graph to look at. Constants have none."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """An .onnx's metadata_props."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the largest value that a quantized output can have."""
    classes: int | None = None
    """How many there are, where someone said so."""
    anchors: AnchorSizes | None = None
    """Of anchor boxes, where someone said so."""
    constants: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The short ones of the graph, by their names."""

    @property
    def task(self) -> str | None:
        """What ultralytics calls the model's task."""
        return self.properties.get("task")

    def class_names(self) -> list[str] | None:
        """Return the class names that ultralytics wrote, or None."""
        try:
            text = self.properties["names"]
            names = ast.literal_eval(text) if len(text) <= MOST_CHARACTERS else None
            listed = [names[number] for number in range(len(names))] if isinstance(names, (dict, list)) else [None]
            return [str(name) for name in listed] if all(isinstance(name, (str, int)) for name in listed) else None
        except FAILURES:
            return None

    def naming(self, classes: int | None) -> Evidence:
        """Return the same with a number of classes."""
        return replace(self, classes=classes)

    def anchored(self, anchors: AnchorSizes | None) -> Evidence:
        """Return the same with sizes of anchor boxes, or where there are none with those in the metadata_props."""
        return replace(self, anchors=anchors or stated_anchors(self.properties.get(KEY)))

    def kind(self, name: str) -> Kind | None:
        """Return what an output is; None where nothing shows it."""
        if self.nodes is not None:
            return "sum" if self._is_sum(name) else "scores" if self._is_squashed(name) else "raw"
        least, largest = self.ranges.get(name, (0.0, 1.0))
        return "raw" if least < -MARGIN or largest > 1 + MARGIN else None

    def parts(self, name: str) -> list[str]:
        """Return what an output is joined of along its channels, (batch, channels, ...); itself where it is not."""
        found, waiting = list[str](), [name]
        for _ in range(MOST_STEPS):
            if not waiting:
                return found
            node = self._made(part := waiting.pop())
            if node is not None and node.op == "Concat" and node.axis in (1, -2):
                waiting += reversed(node.inputs)
            else:
                found.append(part)
        return [name]

    def stacked(self, name: str) -> list[list[str]]:
        """Return what each stride's part of an output (1, rows, columns) is joined of along the columns.

        The strides are joined along the rows, and each was of more axes before.
        """
        node = self._made(name)
        if node is None or node.op != "Concat" or node.axis not in (1, -2):
            return []
        ends = [self._made(entry, CARRYING | {"Reshape"}) for entry in node.inputs]
        return [list(end.inputs) if end and end.op == "Concat" and end.axis in (4, -1) else [] for end in ends]

    def white(self, name: str) -> float | str:
        """Return what an input of pictures has for white, of WHITE, as far as the graph scales it; what else it does.

        A graph may divide by 255 itself. What it does before the first layer besides, as to subtract a mean or to turn
        the channels around, is named by its op.
        """
        white, waiting = dict.fromkeys([name], 1.0), [name]
        while waiting:
            tensor = waiting.pop()
            for made, node in (self.nodes or {}).items():
                if tensor not in node.inputs or made in white:
                    continue
                factor = self._factor(node, tensor)
                if factor is None:
                    return node.op
                if factor:
                    white[made] = white[tensor] * factor
                    waiting.append(made)
        most = max(white.values(), key=lambda value: abs(math.log(value)))
        return next((usual for usual in WHITE if abs(most / usual - 1) < MARGIN), f"scaling by {most:g}")

    def _factor(self, node: Node, tensor: str) -> float | None:
        """Return by what white is more before a node than behind; 0 where pixels end, None where it cannot be told."""
        others = [self.constants.get(name, ()) for name in node.inputs if name != tensor]
        if node.op in ("Mul", "Div") and len(others) == 1 and len(set(others[0])) == 1 and others[0][0] > 0:
            scale = others[0][0]
            return scale if node.op == "Div" and node.inputs[0] == tensor else 1 / scale if node.op == "Mul" else None
        turned = node.op == "Slice" and len(others) == 4 and min(others[3], default=1) < 0
        if turned or node.op in ("Add", "Sub", "Mul", "Div", "Gather"):
            return None
        return 1.0 if node.op in CARRYING | MOVING | {"Concat", "Pad"} else 0.0

    def maker(self, name: str, *, moved: bool = False) -> str:
        """Return the op that makes a tensor's values, before they are moved to other places; "" where there is none."""
        node = self._made(name, CARRYING | MOVING) if moved else self._made(name)
        return node.op if node else ""

    def _made(self, name: str, through: frozenset[str] = CARRYING) -> Node | None:
        node = (self.nodes or {}).get(name)
        while node is not None and node.op in through and node.inputs:
            node = (self.nodes or {}).get(node.inputs[0])
        return node

    def _is_squashed(self, name: str) -> bool:
        waiting, seen = [name], set[str]()
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            node = self._made(tensor, CARRYING | MOVING)
            if node is None:
                return False
            if node.op in ("Concat", "Mul"):  # of scores with objectness
                waiting += node.inputs
            elif node.op not in SQUASHING:
                return False
        return True

    def _is_sum(self, name: str) -> bool:
        node = self._made(name, CARRYING | CLIPPING)
        return node is not None and node.op == "ReduceSum" and self._is_squashed(node.inputs[0])
