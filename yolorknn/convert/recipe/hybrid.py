"""The .cfg between the two steps of hybrid quantization: float16 layers and ranges of ours."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from yolorknn.convert.recipe import ranges
from yolorknn.errors import BuildError


def keep_float16(tensors: tuple[str, ...]) -> dict[str, str]:
    """Add tensors to the float16 layers in the .cfg that hybrid_quantization_step1 left in the working directory.

    Returns:
        The files it left, as arguments of hybrid_quantization_step2.

    Raises:
        BuildError: a tensor is not in the toolkit's graph.
    """
    (cfg,) = Path().glob("*.quantization.cfg")
    name = cfg.name.removesuffix(".quantization.cfg")
    layers, _, parameters = cfg.read_text().partition("quantize_parameters:")
    known = re.findall(r"^ {4}(\S.*):$", parameters, re.MULTILINE)
    for tensor in tensors:
        if tensor not in known:
            near = difflib.get_close_matches(tensor, known, n=1, cutoff=0)
            raise BuildError(f"the model has no tensor '{tensor}' to keep in float16: the nearest name is '{near[0]}'")
    if tensors:
        layers = layers.replace("custom_quantize_layers: {}", "custom_quantize_layers:")
        layers += "".join(f"    {tensor}: float16\n" for tensor in tensors if f" {tensor}:" not in layers)
    cfg.write_text(f"{layers}quantize_parameters:{parameters}")
    return {"model_input": f"{name}.model", "data_input": f"{name}.data", "model_quantization_cfg": cfg.name}


def mean_ranges(
    onnx: Path, dataset: str, *, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[dict[str, ranges.Range], list[str]]:
    """Measure the ranges of the tensors in the .cfg in the working directory; see ranges.mean_ranges."""
    (cfg,) = Path().glob("*.quantization.cfg")
    assert mean is not None and std is not None, "a detector has them"
    return ranges.mean_ranges(cfg.read_text(), onnx, Path(dataset), mean=mean, std=std)


def put_ranges(found: Mapping[str, ranges.Range]) -> None:
    """Write ranges into the .cfg in the working directory."""
    (cfg,) = Path().glob("*.quantization.cfg")
    cfg.write_text(ranges.put(cfg.read_text(), found))
