"""Read a .rknn without the vendor's library: what it is for, its tensors, and the metadata embedded in it.

The layout, as observed in files of rknn-toolkit2 2.3.2 and 2.5.0 (the vendor does not document it):

    0     b"RKNN" u32 0 | u64 version (6, or 0x1004 for rv1103, rv1106 and rk2118) | u64 N | padding to 64
    64    N bytes of body; NUL-terminated texts in it: the custom_string, and a Python literal {'attrs': ...} that
          holds each tensor's shape, the input's mean and std, and quantization ranges
    64+N  u64 J | J bytes of JSON (target_platform, version, norm_tensor), and the file ends
"""

from __future__ import annotations

import ast
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError, ModelError
from yolorknn.files import check_model_file
from yolorknn.model.evidence import Evidence
from yolorknn.model.fields import FAILURES
from yolorknn.model.first_file import first_metadata
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import Build, ModelMetadata, Tensor
from yolorknn.model.packing import BESIDE, GENERIC, MAGIC, pack_beside, unpack, unpack_generic
from yolorknn.model.seen import Seen, read_seen
from yolorknn.model.sidecar import read_sidecar
from yolorknn.text import reason_of

HEADER = 64
MOST_BYTES = 2 << 20
"""Of a text in it: those of YOLOv8n have 100 kB."""


@dataclass(frozen=True)
class RknnFile:
    """What a .rknn states."""

    path: Path
    platforms: tuple[str, ...]
    toolkit: str
    """Version of the rknn-toolkit2 that built it; librknnrt on the board must not be older."""
    inputs: list[Tensor]
    outputs: list[Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    custom_string: str | None
    """yolorknn's packed metadata, None in a file that others made."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the largest value of each quantized output."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """numpy's name of the type that each input and output had in the model that this one was built from."""

    several: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    """The shapes of the inputs and outputs of a model that was built for several, with `dynamic_input`."""
    seen: Seen | None = None
    """What the file that was read is known again by."""

    @property
    def generic(self) -> bool:
        """Whether yolorknn built it as it is, as no detector."""
        return self.custom_string is not None and self.custom_string.startswith(GENERIC)

    def embedded(self) -> ModelMetadata | None:
        """Return the metadata inside the file or in the .json beside it; None in a file that others made.

        Raises:
            MetadataError: unreadable, it contradicts what the file states, or the model is generic.
        """
        if self.generic:
            raise MetadataError(f"{self.path} is a generic model: built as it is, and no detector that yolorknn runs")
        if self.custom_string is not None and self.custom_string.startswith(BESIDE):
            metadata = self._beside(self.custom_string)
        elif self.custom_string is not None:
            metadata = unpack(self.custom_string)
        elif (beside := read_sidecar(self.path, ModelMetadata.from_json)) is not None:
            metadata = beside
        else:
            return None
        self._check_platform(metadata.build)
        if (metadata.mean, metadata.std) != (self.mean, self.std):
            raise MetadataError(f"{self.path} has mean {self.mean} and std {self.std}, but its metadata says otherwise")
        return metadata

    def recorded(self) -> ModelMetadata | GenericMetadata | None:
        """Return the metadata of a model of either kind; None where others made it, or an earlier version as generic.

        Raises:
            MetadataError: see embedded().
        """
        if not self.generic:
            return self.embedded()
        if self.custom_string != GENERIC:
            metadata = unpack_generic(self.custom_string or "")
        elif (beside := read_sidecar(self.path, GenericMetadata.from_json)) is not None:
            metadata = beside
        else:
            return None
        self._check_platform(metadata.build)
        return metadata

    def _beside(self, stated: str) -> ModelMetadata:
        """Return the metadata in the .json beside the model, if it is what was written with it."""

        def parsed(text: str) -> ModelMetadata:
            if pack_beside(text) != stated:
                raise MetadataError("it is of another build")
            return ModelMetadata.from_json(text)

        metadata = read_sidecar(self.path, parsed)
        if metadata is None:
            raise MetadataError(f"{self.path} needs its metadata, {self.path.stem}.json, beside it: copy both")
        return metadata

    def _check_platform(self, build: Build | None) -> None:
        if build is None or build.platform not in self.platforms:
            raise MetadataError(
                f"{self.path} is built for {', '.join(self.platforms)}, but its metadata says otherwise"
            )

    def evidence(self) -> Evidence:
        """Return what it shows of its outputs: the ranges of those that are quantized."""
        return Evidence(ranges=self.ranges)


def read(path: Path) -> RknnFile:
    """Read a .rknn of any Rockchip platform.

    Raises:
        ModelError: absent, truncated, or not a .rknn.
    """
    check_model_file(path)
    if first_metadata(path) is not None:
        raise ModelError(
            f"{path} is for a chip of the first generation: detect, val and info take it, other commands do not"
        )
    try:
        data, seen = read_seen(path)
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
    if not data:
        raise ModelError(f"{path} is empty: copy or build it again")
    if data[:4] == b"CYPT":
        raise ModelError(
            f"{path} is encrypted: only the NPU's runtime reads it, for programs that call librknnrt; "
            "give yolorknn the plain .rknn"
        )
    if data[:4] != b"RKNN":
        raise ModelError(f"{path} is not a .rknn file: build one with 'yolorknn build'")
    try:
        size = struct.unpack_from("<Q", data, 16)[0]
        body = data[HEADER : HEADER + size]
        length = struct.unpack_from("<Q", data, HEADER + size)[0]
        start = HEADER + size + 8
        if len(data) != start + length:
            raise ValueError("length")
        if length > MOST_BYTES:
            raise ValueError("trailer")
        trailer = json.loads(data[start:])
        return replace(_parse(path, body, trailer), seen=seen)
    except (struct.error, *FAILURES) as exc:
        raise ModelError(f"{path} is truncated or damaged: copy or build it again") from exc


def _parse(path: Path, body: bytes, trailer: Any) -> RknnFile:
    stated: dict[str, Any] = ast.literal_eval(_text(body, b"{'attrs'") or "")
    attrs, table = stated["attrs"], stated.get("quant_tab", {})
    dtypes = {tensor["url"]: tensor["dtype"]["qnt_type"] or "float16" for tensor in trailer["norm_tensor"]}
    tensors: dict[bool, list[Tensor]] = {False: [], True: []}
    for name, attr in sorted(attrs.items(), key=lambda item: item[1]["idx"]):
        shape = tuple(int(side) for side in attr["shape"])
        tensors[bool(attr["is_output"])].append(Tensor(name, shape, dtypes.get(name, "")))
    first = attrs[tensors[False][0].name]
    return RknnFile(
        path=path,
        platforms=tuple(str(name) for name in trailer["target_platform"]),
        toolkit=str(trailer["version"]).partition("(")[0],
        inputs=tensors[False],
        outputs=tensors[True],
        mean=_triple(first.get("mean", ())),
        std=_triple(first.get("std", ())),
        custom_string=_text(body, MAGIC.encode()),
        ranges={tensor.name: ends for tensor in tensors[True] if (ends := _range(table.get(tensor.name)))},
        several={
            str(name): tuple(tuple(int(side) for side in shape) for shape in shapes)
            for name, shapes in stated.get("dynamic_shapes", {}).items()
        },
        dtypes={name: str(attr.get("dtype", "float32")) for name, attr in attrs.items()},
    )


def _range(entry: Any) -> tuple[float, float] | None:
    """Return the ends of a quantized tensor's values; those of a float one are empty."""
    ends = [*entry["min"], *entry["max"]] if entry else []
    return (float(ends[0]), float(ends[1])) if len(ends) == 2 else None


def _triple(values: Sequence[float]) -> tuple[float, ...]:
    """Return a value a channel; 2.5.0's hybrid builds write equal ones once."""
    return tuple(map(float, [*values] * 3 if len(values) == 1 else values))


def _text(body: bytes, start: bytes) -> str | None:
    begin = body.find(start)
    return None if begin < 0 else body[begin : body.index(b"\0", begin, begin + MOST_BYTES)].decode()
