"""The range of each tensor's values, narrower than rknn-toolkit2's own: the mean of the images' extremes.

rknn-toolkit2 takes the extremes over all calibration images, so one odd image widens a range, and with it the step of
all values; more images make it worse. Averaging each image's minimum and maximum clips the few values beyond (Jacob et
al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 3.1,
averages them over batches). Outputs keep the full range, scores that of 0 to 1: the highest are the ones that matter.
So do the tensors that lead to what is no score alone, boxes, masks, keypoints, angles: the largest objects have the
largest values there, and few images show one, so that with the mean their edges would be cut off and their limbs drawn
in.

Where values are only moved (Split, Reshape, Concat, ...), input and output get one range, the wider: with ranges of
their own, as rknn-toolkit2 has it, every value is rounded once more at each of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.cfg import Range, ranges_in
from yolorknn.convert.recipe.flow import alike, leading_to
from yolorknn.errors import MissingDependencyError
from yolorknn.runtime import ort

SHARE, FEWEST = 0.4, 8
"""Of the calibration images, the share and the least number measured here: a mean needs fewer images than extremes do,
and with these a build takes no longer than the vendor's."""
AGREEMENT = 0.02
"""How far our extreme of a tensor may be from the toolkit's, as a share of its width; else they differ in meaning."""
SAME = 1e-5
"""The same for a tensor of another name, taken for ours, or for a multiple of it."""


def some(listing: Path) -> list[Path]:
    """Return the images of a calibration set (.npy files, uint8 (1, 3, H, W), one a line) that are observed here.

    They are spread over the set, and begin with seen(listing).
    """
    lines = listing.read_text(encoding="utf-8").splitlines()
    count = min(len(lines), max(FEWEST, round(SHARE * len(lines))))
    return [listing.parent / lines[i * len(lines) // count] for i in range(count)]


def seen(listing: Path) -> Path:
    """Write the first image of the calibration set, which is what the toolkit sees, to a list of its own beside it."""
    chosen = listing.with_name("seen.txt")
    chosen.write_text(listing.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    return chosen


@dataclass(frozen=True)
class Observed:
    """The extremes of a model's tensors on some images, the first of which the toolkit saw too."""

    extremes: dict[str, NDArray[np.float64]]
    """Of each float tensor that a node computes (images, 2): minimum and maximum on each image."""
    inputs: frozenset[str]
    outputs: frozenset[str]
    logits: frozenset[str]
    """Those whose Sigmoid is an output."""
    alike: tuple[frozenset[str], ...]
    """Tensors that get one range, see flow.alike()."""
    places: frozenset[str]
    """Those from which it is computed where things are, and nothing else."""
    pixels: Range
    """What the inputs can be, from 0 to 255 normalised: white must not be clipped because no image had it."""

    def range(self, name: str, known: Range) -> Range | None:
        """Return the new range of a tensor of the toolkit's graph, whose range on the first image is `known`."""
        base = name.removesuffix("_int8")
        if base in self.inputs:
            return self.pixels
        if base in self.outputs:
            lowest, highest = self.extremes[base][:, 0].min(), self.extremes[base][:, 1].max()
            return (0.0, 1.0) if lowest >= 0 and highest <= 1 else (float(lowest), float(highest))
        found = self.extremes.get(name)
        if found is not None:
            tolerance = AGREEMENT * (known[1] - known[0])
            lowest, highest = self._narrowed(name, 1.0)
            if name in self.logits:  # the highest scores must not become one
                highest = max(float(found[:, 1].max()), 0.0)
            if np.allclose(found[0], known, rtol=0, atol=tolerance):
                return lowest, highest
            if found[0, 0] < known[0] and abs(max(found[0, 1], 0.0) - known[1]) <= tolerance:
                return known[0], highest  # cut below, before a Sigmoid
        for ours, found in self.extremes.items():
            factor = _multiple(known, (found[0, 0], found[0, 1]))
            if factor is not None:
                return self._narrowed(ours, factor)
        return None

    def _narrowed(self, name: str, factor: float) -> Range:
        return (_full if name in self.places else _mean)(self.extremes[name], factor)


def _mean(extremes: NDArray[np.float64], factor: float) -> Range:
    lowest, highest = extremes.mean(axis=0) * factor
    return min(float(lowest), 0.0), max(float(highest), 0.0)  # 0 must have a value in int8


def _full(extremes: NDArray[np.float64], factor: float) -> Range:
    lowest, highest = extremes[:, 0].min() * factor, extremes[:, 1].max() * factor
    return min(float(lowest), 0.0), max(float(highest), 0.0)


def _multiple(known: Range, ours: Range) -> float | None:
    """Return by what `ours` becomes `known`: the toolkit scales a tensor, copies it, or takes a part of it."""
    width = known[1] - known[0]
    if np.allclose(known, ours, rtol=0, atol=SAME * width):
        return 1.0
    if min(-known[0], known[1], -ours[0], ours[1]) <= 0:
        return None
    factor = known[1] / ours[1]
    return factor if abs(ours[0] * factor - known[0]) <= SAME * width else None


def observe(
    file: Path, arrays: Sequence[Path], *, mean: Sequence[float], std: Sequence[float], places: Iterable[str] = ()
) -> Observed:
    """Run an ONNX on calibration images.

    Args:
        file: the model.
        arrays: the images, .npy files.
        mean: the network sees (pixel - mean) / std.
        std: see mean.
        places: the outputs that say where things are.
    """
    import onnx

    try:
        onnxruntime = ort.imported()
    except ImportError as exc:
        raise MissingDependencyError("onnxruntime", "onnx", "measuring ranges for int8") from exc
    model = onnx.load(str(file))
    inputs, outputs = (frozenset(node.name for node in nodes) for nodes in (model.graph.input, model.graph.output))
    logits = frozenset(
        node.input[0] for node in model.graph.node if node.op_type == "Sigmoid" and node.output[0] in outputs
    )
    alone = leading_to(places, model.graph.node, outputs)
    names = _with_extremes(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    centre, scale = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (mean, std))
    feed = session.get_inputs()[0].name
    wanted = [f"{name}:{end}" for name in names for end in ("min", "max")]
    rows = [session.run(wanted, {feed: (np.load(array).astype(np.float32) - centre) / scale}) for array in arrays]
    table = np.array(rows, np.float64).reshape(len(arrays), len(names), 2)
    extremes = {name: table[:, number] for number, name in enumerate(names)}
    width = {name: float(np.ptp(_mean(ends, 1.0))) for name, ends in extremes.items() if name not in outputs | logits}
    ends = np.concatenate([(end - centre) / scale for end in (0, 255)])
    pixels = float(ends.min()), float(ends.max())
    return Observed(extremes, inputs, outputs, logits, alike(model.graph.node, width), alone, pixels)


def _with_extremes(model: Any) -> list[str]:
    """Replace the outputs by minimum and maximum of every float tensor that a node computes; return their names."""
    from onnx import TensorProto, ValueInfoProto, helper, shape_inference

    for node in model.graph.node:
        node.op_type = node.op_type.removeprefix("cst")  # a custom op of ours computes what the standard one does
    graph = shape_inference.infer_shapes(model).graph
    kinds = {info.name: info.type.tensor_type.elem_type for info in [*graph.value_info, *graph.output]}
    constants = {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    outputs = [output.name for output in graph.output]  # measured also where shape inference does not know their type
    inner = [name for name, kind in kinds.items() if kind == TensorProto.FLOAT and name not in constants]
    names = list(dict.fromkeys([*inner, *outputs]))
    del model.graph.output[:]
    for name in names:
        for op, end in (("ReduceMin", "min"), ("ReduceMax", "max")):
            model.graph.node.append(helper.make_node(op, [name], [f"{name}:{end}"], keepdims=0))
            model.graph.output.append(ValueInfoProto(name=f"{name}:{end}"))
    return names


def ranges_for(cfg: str, observed: Observed) -> tuple[dict[str, Range], list[str]]:
    """Return the ranges of the tensors in a quantization.cfg, and the tensors that have none, as none of ours is alike.

    Args:
        cfg: the text of the file that hybrid_quantization_step1 made on seen().
        observed: the extremes on some(), in which that image is the first.
    """
    found = {name: observed.range(name, ends) for name, ends in ranges_in(cfg).items() if ends is not None}
    new = {name: ends for name, ends in found.items() if ends is not None and ends[0] < ends[1]}
    for names in observed.alike:
        if shared := [name for name in names if name in new]:
            lowest, highest = (end(new[name][i] for name in shared) for i, end in enumerate((min, max)))
            new |= dict.fromkeys(shared, (lowest, highest))
    return new, [name for name in found if name not in new]
