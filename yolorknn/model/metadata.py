"""ModelMetadata: what a model file says of itself. The only contract between the PC and the board.

An .onnx carries it as JSON in `metadata_props["yolorknn"]`, a .rknn in its `custom_string`, see packing.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from yolorknn.errors import MetadataError
from yolorknn.files import is_file
from yolorknn.model.fields import metadata_fields
from yolorknn.model.platforms import Dtype

ONNX_KEY = "yolorknn"
Head = Literal["split", "decoded"]
Program = Literal["frigate", "zoo", "ultralytics"]
"""Other programs that models are made for; the zoo is Rockchip's rknn_model_zoo."""
MOST_PIXELS = 1 << 26
"""Of an input: more would be a buffer of hundreds of MB."""
Triple = tuple[float, float, float]


class Tensor(NamedTuple):
    """An input or output, as a model file states it or as a session takes or gives it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """As the file has it; of a session, numpy's name."""
    layout: str = ""
    """Of four dimensions, "NCHW" or "NHWC", where that is known."""
    scale: float | None = None
    """Where quantized: the value is scale * (number - zero_point)."""
    zero_point: int | None = None


class Output(NamedTuple):
    """One output of a model and what it means to its task; see tasks/."""

    name: str
    role: str
    stride: int
    """Input pixels per cell; 0 for an output over all strides."""


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
    """The other fields of convert.recipe.build_options.BuildOptions, where they differ from the defaults."""
    custom_ops: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The user's, by their types: `class`, as FILE.py:CLASS, and `sha256` of the file."""
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    """What the gate measured: see measure.gate_report.GateReport.summary; empty where there was none."""

    def fields(self) -> dict[str, Any]:
        """Return the fields; what only some builds have is left out of the others'."""
        rare = ("options", "custom_ops", "accuracy")
        return {name: value for name, value in asdict(self).items() if value or name not in rare}


def _are_finite(*numbers: float) -> bool:
    return all(map(math.isfinite, numbers))


@dataclass(frozen=True)
class ModelMetadata:
    """Everything the detector needs to know of a model.

    Raises:
        MetadataError: the values contradict each other.
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
    prototypes: int = 0
    """Of task "segment": how many prototypes a mask is the weighted sum of."""
    keypoints: tuple[str, ...] = ()
    """Of task "pose": the keypoints' names."""
    anchors: tuple[tuple[float, ...], ...] = ()
    """Of each output `anchored`: width and height of its anchor boxes in turn, in pixels of the input."""
    colour: str = "RGB"
    """Of the input: "RGB", "BGR", or "GRAY" where it has one channel."""
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
        if not self.names or not all(isinstance(name, str) for name in self.names):
            problem = "there are no class names"
        elif len(self.imgsz) != 2 or min(self.imgsz) < 1 or self.imgsz[0] * self.imgsz[1] > MOST_PIXELS:
            problem = f"imgsz {self.imgsz} is not (height, width)"
        elif self.colour not in ("RGB", "BGR", "GRAY"):
            problem = f"colour '{self.colour}' is not RGB, BGR or GRAY"
        elif len(set(self.keypoints)) != len(self.keypoints):
            problem = "two keypoints have one name"
        elif self.reg_max < 1 or not self.outputs:
            problem = "the head has no outputs"
        elif not all(group and len(group) % 2 == 0 and min(group) > 0 for group in self.anchors):
            problem = f"anchors {self.anchors} are not widths and heights in turn"
        elif not _are_finite(*(side for group in self.anchors for side in group)):
            problem = f"anchors {self.anchors} are not finite"
        elif self.head not in get_args(Head) or min(out.stride for out in self.outputs) < 0:
            problem = f"a head '{self.head}' with outputs {[tuple(out) for out in self.outputs[:3]]} is unknown"
        elif len(self.mean) != 3 or len(self.std) != 3 or not _are_finite(*self.mean, *self.std) or 0 in self.std:
            problem = f"mean {self.mean} and std {self.std} are not three numbers each"
        if problem:
            raise MetadataError(f"the model's metadata cannot be used: {problem}")

    @property
    def channels(self) -> int:
        """Of the input; of mean and std only so many count."""
        return 1 if self.colour == "GRAY" else 3

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the input."""
        return (*self.imgsz, self.channels)

    def measured(self, accuracy: Mapping[str, Any]) -> ModelMetadata:
        """Return the metadata of a .rknn with what its recipe measured."""
        return replace(self, build=self.build and replace(self.build, accuracy=accuracy))

    def source_of(self, model: Path) -> Path:
        """Return where the file is, or should be, that a model file was made from; beside the model it may be too."""
        return source_beside(model, self.source)

    def to_json(self) -> str:
        """Return compact JSON; what only some models and builds have is left out of the others'."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        if self.build is not None:
            fields["build"] = self.build.fields()
        for rare in ("end_to_end", "prototypes", "keypoints", "anchors"):
            if not fields[rare]:
                del fields[rare]
        text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace").decode()  # as JSON writes bytes of a name that are no UTF-8

    @classmethod
    def from_json(cls, text: str) -> ModelMetadata:
        """Parse what to_json() wrote; unknown fields (of a newer version) are ignored.

        Raises:
            MetadataError: not such JSON.
        """
        try:
            fields = metadata_fields(text, cls.__dataclass_fields__, Build.__dataclass_fields__)
            fields["outputs"] = tuple(Output(*output) for output in fields["outputs"])
            build = fields.pop("build", None)
            return cls(**fields, build=None if build is None else Build(**build))
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise MetadataError(f"the model's metadata is not readable ({exc}); export the model again") from exc

    def describe(self) -> Mapping[str, Any]:
        """Return the fields as plain JSON values."""
        return dict(json.loads(self.to_json()))


def source_beside(model: Path, source: str) -> Path:
    """Return where a model's source is or should be; `source` is its name, or its way from the model's folder."""
    beside = model.parent / (Path(source).name or f"{model.stem}.onnx")
    named = model.parent / source
    return named if is_file(named) and not is_file(beside) else beside
