"""The .cfg between the two steps of hybrid quantization: float16 layers and ranges of ours."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from yolorknn.convert.recipe import ranges
from yolorknn.convert.recipe.cfg import Range, put, ranges_in, with_float16
from yolorknn.errors import BuildError
from yolorknn.files import writing


def keep_float16(folder: Path, tensors: tuple[str, ...]) -> dict[str, str]:
    """Add tensors to the float16 layers in the .cfg that hybrid_quantization_step1 left in a folder.

    Returns:
        The files it left, as arguments of hybrid_quantization_step2.

    Raises:
        BuildError: a tensor is not in the toolkit's graph.
    """
    cfg = _cfg(folder)
    name = cfg.name.removesuffix(".quantization.cfg")
    text = cfg.read_text(encoding="utf-8")
    known = list(ranges_in(text))
    for tensor in tensors:
        if tensor not in known:
            near = difflib.get_close_matches(tensor, known, n=1, cutoff=0)
            raise BuildError(f"the model has no tensor '{tensor}' to keep in float16: the nearest name is '{near[0]}'")
    _write(cfg, with_float16(text, tensors))
    return {"model_input": f"{name}.model", "data_input": f"{name}.data", "model_quantization_cfg": cfg.name}


def mean_ranges(folder: Path, observed: ranges.Observed) -> tuple[dict[str, Range], list[str]]:
    """Return the ranges of the tensors in the .cfg in a folder; see ranges.ranges_for."""
    return ranges.ranges_for(_cfg(folder).read_text(encoding="utf-8"), observed)


def put_ranges(folder: Path, found: Mapping[str, Range]) -> None:
    """Write ranges into the .cfg in a folder."""
    cfg = _cfg(folder)
    _write(cfg, put(cfg.read_text(encoding="utf-8"), found))


def _cfg(folder: Path) -> Path:
    (cfg,) = folder.glob("*.quantization.cfg")
    return cfg


def _write(cfg: Path, text: str) -> None:
    with writing(cfg):
        cfg.write_text(text, encoding="utf-8")
