"""The outside of .rknn files: what a reader reads, without a network."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.packing import pack
from yolorknn.tasks.known import output_shapes


def write_rknn(
    path: Path,
    metadata: ModelMetadata,
    *,
    platform: str = "rk3588",
    custom: str | None = "",
    dtype: str | None = "int8",
) -> Path:
    """Write the outside of a detector's .rknn; `dtype` None: float16."""
    text = pack(metadata) if custom == "" else custom
    outputs = output_shapes(metadata)
    shapes = {"images": (1, 3, *metadata.imgsz), **outputs}
    attrs = _attrs({"images": shapes["images"]}, outputs)
    attrs["images"] |= {"mean": [int(v) for v in metadata.mean], "std": [int(v) for v in metadata.std]}
    ranges = {
        name: {"min": [-15.0 * name.startswith("box")], "max": [16.0 if name.startswith("box") else 1.0]}
        for name in shapes
    }
    return _write(path, attrs, ranges, text, platform=platform, dtypes=dict.fromkeys(shapes, dtype))


def write_generic(
    path: Path,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Mapping[str, tuple[int, ...]],
    *,
    dtypes: Mapping[str, str] | None = None,
    quantized: Mapping[str, tuple[float, float]] | None = None,
    several: Mapping[str, list[list[int]]] | None = None,
    custom: str | None = "yolorknn1:generic",
    platform: str = "rk3588",
) -> Path:
    """Write the outside of a generic .rknn.

    Args:
        path: the file.
        inputs: shapes by name.
        outputs: shapes by name.
        dtypes: of its source, by name, where they are not float32.
        quantized: the tensors that are int8, with the ends of their ranges; the others are float16.
        several: the shapes that it was built for, by name, where these are several.
        custom: its custom_string.
        platform: the chip.
    """
    attrs = _attrs(inputs, outputs)
    for name, dtype in (dtypes or {}).items():
        attrs[name]["dtype"] = dtype
    ranges = {name: {"min": [least], "max": [most]} for name, (least, most) in (quantized or {}).items()}
    dtypes_here = {name: "int8" if name in ranges else None for name in attrs}
    return _write(path, attrs, ranges, custom, platform=platform, dtypes=dtypes_here, several=several)


def _attrs(inputs: Mapping[str, tuple[int, ...]], outputs: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, Any]]:
    return {
        name: {"idx": number, "shape": list(shape), "layout": "nchw", "is_output": tensors is outputs}
        for tensors in (inputs, outputs)
        for number, (name, shape) in enumerate(tensors.items())
    }


def _write(
    path: Path,
    attrs: dict[str, dict[str, Any]],
    ranges: Mapping[str, Any],
    text: str | None,
    *,
    platform: str,
    dtypes: Mapping[str, str | None],
    several: Mapping[str, list[list[int]]] | None = None,
) -> Path:
    """Write a file as laid out in rknn_file.py: everything but the network."""
    facts = str({"attrs": attrs, "quant_tab": ranges, "dynamic_shapes": dict(several or {})}).encode()
    body = b"\x10\0\0\0junk\0" + (text.encode() + b"\0" if text else b"") + facts + b"\0weights"
    tensors = [
        {"url": name, "size": attr["shape"], "dtype": {"qnt_type": dtypes[name]}} for name, attr in attrs.items()
    ]
    trailer = json.dumps({"target_platform": [platform], "version": "2.3.2", "norm_tensor": tensors}).encode()
    header = (b"RKNN" + struct.pack("<IQQ", 0, 6, len(body))).ljust(64, b"\0")
    path.write_bytes(header + body + struct.pack("<Q", len(trailer)) + trailer)
    return path
