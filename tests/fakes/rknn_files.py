"""The outside of .rknn files: what a reader reads, without a network."""

from __future__ import annotations

import json
import struct
from pathlib import Path

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
    """Write the outside of a .rknn, as laid out in rknn_file.py: everything but the network; `dtype` None: float16."""
    text = pack(metadata) if custom == "" else custom
    shapes = {"images": (1, 3, *metadata.imgsz), **output_shapes(metadata)}
    attrs = {
        name: {"idx": max(i - 1, 0), "shape": list(shape), "layout": "nchw", "is_output": i > 0}
        for i, (name, shape) in enumerate(shapes.items())
    }
    attrs["images"] |= {"mean": [int(v) for v in metadata.mean], "std": [int(v) for v in metadata.std]}
    ranges = {
        name: {"min": [-15.0 * name.startswith("box")], "max": [16.0 if name.startswith("box") else 1.0]}
        for name in shapes
    }
    facts = str({"attrs": attrs, "quant_tab": ranges}).encode()
    body = b"\x10\0\0\0junk\0" + (text.encode() + b"\0" if text else b"") + facts + b"\0weights"
    tensors = [{"url": name, "size": list(shape), "dtype": {"qnt_type": dtype}} for name, shape in shapes.items()]
    trailer = json.dumps({"target_platform": [platform], "version": "2.3.2", "norm_tensor": tensors}).encode()
    header = (b"RKNN" + struct.pack("<IQQ", 0, 6, len(body))).ljust(64, b"\0")
    path.write_bytes(header + body + struct.pack("<Q", len(trailer)) + trailer)
    return path
