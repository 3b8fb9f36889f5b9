"""ModelMetadata: what a model file says of itself. The only contract between the PC and the board.

An .onnx carries it as JSON in `metadata_props["yolorknn"]`. A .rknn carries it in `custom_string`, which
rknn-toolkit2 limits to under 1024 characters, so there the JSON is compressed; where even that does not fit,
it stands in a .json file beside the model.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from yolorknn.errors import MetadataError
from yolorknn.model.platforms import Dtype

ONNX_KEY = "yolorknn"
MAGIC = "yolorknn1:"
GENERIC = f"{MAGIC}generic"
"""The custom_string of a model that is no detector."""
MAX_CUSTOM_STRING = 1023

Head = Literal["split", "decoded"]
Role = Literal["box", "cls", "sum", "decoded"]
Triple = tuple[float, float, float]


class Tensor(NamedTuple):
    """An input or output as a model file states it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Output(NamedTuple):
    """One output of a model and what it means.

    `box` is (1, 4*reg_max, h, w): DFL logits, or distances in cells where reg_max is 1. `cls` is (1, nc, h, w), class
    scores after sigmoid; `sum` is (1, 1, h, w), their clipped sum. `decoded` is (1, 4+nc, anchors): xywh and scores.
    """

    name: str
    role: Role
    stride: int
    """Input pixels per cell; 0 for `decoded`."""


class Scale(NamedTuple):
    """One stride of a split head: the positions of its outputs."""

    stride: int
    box: int
    cls: int
    sum: int | None


@dataclass(frozen=True)
class Build:
    """How a .rknn was built: enough to build the same again."""

    platform: str
    dtype: Dtype
    toolkit: str
    algorithm: str = "normal"
    method: str = "channel"
    dataset: str = ""
    """The calibration set as the user named it; empty for fp16."""
    images: int = 0
    digest: str = ""
    """sha256 over the letterboxed calibration images, in order."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The other fields of convert.recipe.options.BuildOptions, where they differ from the defaults."""
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    """What the gate measured: see measure.gate_report.GateReport.summary; empty where there was none."""


@dataclass(frozen=True)
class ModelMetadata:
    """Everything the detector needs to know of a model.

    Raises:
        MetadataError: the values do not describe a detector.
    """

    names: tuple[str, ...]
    """Class names; the index is the class id."""
    imgsz: tuple[int, int]
    """Height and width of the input."""
    head: Head
    outputs: tuple[Output, ...]
    reg_max: int = 16
    normalized: bool = False
    """Whether a decoded head's coordinates are divided by imgsz."""
    end_to_end: bool = False
    """Whether the head was trained one-to-one, so that the best scores are the result, without NMS."""
    task: str = "detect"
    colour: str = "RGB"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (255.0, 255.0, 255.0)
    """The network sees (pixel - mean) / std; in a .rknn the vendor's code does that."""
    custom_softmax: bool = False
    """Whether Softmax is the custom op cstSoftmax."""
    source: str = ""
    """The file this one was made from: its name, or its way from the folder of this one; and its sha256."""
    sha256: str = ""
    build: Build | None = None

    def __post_init__(self) -> None:
        problem = None
        if self.task != "detect":
            problem = f"task '{self.task}' is not detection"
        elif not self.names or not all(isinstance(name, str) for name in self.names):
            problem = "there are no class names"
        elif len(self.imgsz) != 2 or min(self.imgsz) < 1:
            problem = f"imgsz {self.imgsz} is not (height, width)"
        elif self.colour not in ("RGB", "BGR"):
            problem = f"colour '{self.colour}' is not RGB or BGR"
        elif self.reg_max < 1 or not self.outputs:
            problem = "the head has no outputs"
        elif len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, self.mean)) or 0 in self.std:
            problem = f"mean {self.mean} and std {self.std} are not three numbers each"
        if problem:
            raise MetadataError(f"the model's metadata cannot be used: {problem}")

    @cached_property
    def scales(self) -> tuple[Scale, ...]:
        """The split head's outputs, stride by stride, in the order of the strides' first outputs."""
        found: dict[int, dict[str, int]] = {}
        for number, output in enumerate(self.outputs):
            found.setdefault(output.stride, {})[output.role] = number
        return tuple(Scale(stride, at["box"], at["cls"], at.get("sum")) for stride, at in found.items())

    def measured(self, accuracy: Mapping[str, Any]) -> ModelMetadata:
        """Return the metadata of a .rknn with what its recipe measured."""
        return replace(self, build=self.build and replace(self.build, accuracy=accuracy))

    def source_of(self, model: Path) -> Path:
        """Return where the file is, or should be, that a model file was made from; beside the model it may be too."""
        beside = model.parent / (Path(self.source).name or f"{model.stem}.onnx")
        named = model.parent / self.source
        return named if named.is_file() and not beside.is_file() else beside

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output by name, as the layout implies it."""
        height, width = self.imgsz
        channels = {"box": 4 * self.reg_max, "cls": len(self.names), "sum": 1}
        return {
            out.name: (1, 4 + len(self.names), self._anchors())
            if out.role == "decoded"
            else (1, channels[out.role], height // out.stride, width // out.stride)
            for out in self.outputs
        }

    def _anchors(self) -> int:
        height, width = self.imgsz
        return sum((height // stride) * (width // stride) for stride in anchor_strides(self.outputs))

    def check(self, tensors: list[Tensor], *, where: str) -> None:
        """Compare with the outputs that the file itself states.

        Raises:
            MetadataError: names, order or shapes differ.
        """
        stated = {tensor.name: tensor.shape for tensor in tensors}
        if self.head == "decoded":
            fits = [shape[:2] for shape in stated.values()] == [(1, 4 + len(self.names))]
        else:
            fits = list(stated.items()) == list(self.shapes().items())
        if not fits:
            raise MetadataError(
                f"{where} contradicts its own metadata: outputs {stated}, expected {self.shapes()}; export it again"
            )

    def to_json(self) -> str:
        """Return compact JSON; what only some models and builds have is left out of the others'."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        if self.build is not None and not self.build.options:
            del fields["build"]["options"]
        if self.build is not None and not self.build.accuracy:
            del fields["build"]["accuracy"]
        if not self.end_to_end:
            del fields["end_to_end"]
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelMetadata:
        """Parse what to_json() wrote; unknown fields (of a newer version) are ignored.

        Raises:
            MetadataError: not such JSON.
        """
        try:
            fields = json.loads(text)
            fields = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
            build = fields.get("build")
            return cls(
                **{
                    **fields,
                    "names": tuple(fields["names"]),
                    "imgsz": tuple(int(side) for side in fields["imgsz"]),
                    "outputs": tuple(Output(str(n), r, int(s)) for n, r, s in fields["outputs"]),
                    "mean": tuple(float(v) for v in fields.get("mean", cls.mean)),
                    "std": tuple(float(v) for v in fields.get("std", cls.std)),
                    "build": build and Build(**{k: build[k] for k in Build.__dataclass_fields__ if k in build}),
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise MetadataError(f"the model's metadata is not readable ({exc}); export the model again") from exc

    def pack(self) -> str | None:
        """Return the text for a .rknn's custom_string, or None where it does not fit."""
        squeeze = zlib.compressobj(9, zdict=_DICTIONARY)
        data = squeeze.compress(self.to_json().encode()) + squeeze.flush()
        text = MAGIC + base64.b85encode(data).decode("ascii")
        return text if len(text) <= MAX_CUSTOM_STRING else None

    @classmethod
    def unpack(cls, text: str) -> ModelMetadata:
        """Parse what pack() wrote.

        Raises:
            MetadataError: not such a text.
        """
        try:
            data = base64.b85decode(text.removeprefix(MAGIC))
            inflate = zlib.decompressobj(zdict=_DICTIONARY)
            return cls.from_json(inflate.decompress(data, 1 << 20).decode())
        except (ValueError, zlib.error) as exc:
            raise MetadataError(f"the model's metadata is not readable ({exc}); build the model again") from exc

    def describe(self) -> Mapping[str, Any]:
        """Return the fields as plain JSON values."""
        return dict(json.loads(self.to_json()))


def anchor_strides(outputs: tuple[Output, ...]) -> tuple[int, ...]:
    """Return the strides of the head; a decoded head has the usual 8, 16 and 32."""
    strides = tuple(dict.fromkeys(out.stride for out in outputs if out.stride))
    return strides or (8, 16, 32)


# Text that deflate may refer back to. It is part of the format: another text cannot read today's models.
_DICTIONARY = (
    b'"reg_max":1,"normalized":true,"custom_softmax":true,"colour":"BGR","algorithm":"kl_divergence","mmse",'
    b'"method":"layer","dtype":"fp16","platform":"rk3576"rk3566"rk3568"rk3562"rv1106"rv1126b","dataset":".yaml",'
    b'["decoded","decoded",0]]["sum8","sum",8],["box64","box",64],["cls64","cls",64]]["box4","box",4],["cls4","cls",4],'
    b'{"names":["person","car","],"imgsz":[320,320],"imgsz":[640,640],"head":"decoded","head":"split","outputs":'
    b'[["box8","box",8],["cls8","cls",8],["box16","box",16],["cls16","cls",16],["box32","box",32],["cls32","cls",32]],'
    b'"reg_max":16,"normalized":false,"task":"detect","colour":"RGB","mean":[0.0,0.0,0.0],"std":[255.0,255.0,255.0],'
    b'"custom_softmax":false,"source":".onnx","sha256":"","build":{"platform":"rk3588","dtype":"i8","toolkit":"2.3.2",'
    b'"algorithm":"normal","method":"channel","dataset":"","images":100,"digest":""}}'
)
