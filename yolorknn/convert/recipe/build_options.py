"""BuildOptions: what rknn-toolkit2 is asked for besides platform, dtype and calibration set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from yolorknn.errors import BuildError
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import Dtype

Algorithm = Literal["auto", "mean", "normal", "mmse", "kl_divergence", "gdq"]

OWNED = {
    "target_platform": "--platform",
    "custom_string": "yolorknn's metadata",
    "quantized_algorithm": "--algorithm",
    "quantized_method": "--method",
    "optimization_level": "--optimization-level",
}
"""Arguments of RKNN.config() that `config` may not hold, and what sets them instead."""

NEUTRAL = {"mean_values", "std_values", "model_pruning", "compress_weight", "single_core_mode", "remove_weight"}
"""Arguments of RKNN.config() that leave ranges as they are."""


@dataclass(frozen=True)
class BuildOptions:
    """The vendor's options of one build; the defaults are the vendor's. Names of tensors are those of the ONNX."""

    algorithm: Algorithm = "auto"
    """How ranges are measured: "mean" is ours (ranges.py), and what "auto" means for an int8 detector, unless another
    option chooses; of the vendor's, mmse takes a hundred times as long as normal."""
    method: str = "channel"
    """Whether weights have a scale per output "channel", one per "layer", or (w4a16) per "group32" to "group256"."""
    optimization_level: int = 3
    """0 to 3; below 3 the compiler leaves optimizations out."""
    auto_hybrid: bool = False
    """Let the toolkit itself keep layers in float16 whose cosine falls below `config["auto_hybrid_cos_thresh"]`."""
    float16: tuple[str, ...] = ()
    """Tensors whose layers stay in float16 (hybrid quantization in two steps)."""
    custom_hybrid: tuple[tuple[str, str], ...] = ()
    """Subgraphs that stay in float16, each from an input tensor to an output tensor."""
    proposal: int = 0
    """Number of calibration images on which hybrid_quantization_step1 proposes the layers to keep in float16."""
    batch: int = 1
    """Images per inference."""
    custom_ops: tuple[str, ...] = ()
    """Classes of ops that are no ONNX's, as FILE.py:CLASS; see own_ops.py."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Other arguments of RKNN.config(), by their names there."""
    load: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of load_onnx(), load_pytorch(), ... besides the files; for generic models only."""

    @property
    def hybrid(self) -> bool:
        """Whether the build takes two steps."""
        return bool(self.float16 or self.custom_hybrid or self.proposal or self.algorithm == "mean")

    def settled(self, dtype: Dtype) -> BuildOptions:
        """Return the options of a detector's build, with "auto" replaced by what it means."""
        if self.algorithm != "auto":
            return self
        theirs = self.auto_hybrid or self.proposal or self.batch > 1 or self.method != "channel" or self.custom_ops
        ours = dtype == "i8" and not theirs and self.config.keys() <= NEUTRAL
        return replace(self, algorithm="mean" if ours else "normal")

    def check(self, dtype: Dtype, *, calibrated: bool = True) -> None:
        """Refuse what contradicts itself or the dtype.

        Args:
            dtype: of the model to be.
            calibrated: whether ranges are measured: not for fp16, nor for a model that is quantized already.

        Raises:
            BuildError: in one sentence.
        """
        hybrid = [name for name in ("auto_hybrid", "float16", "custom_hybrid", "proposal") if getattr(self, name)]
        thresholds = [name for name in ("auto_hybrid_cos_thresh", "auto_hybrid_euc_thresh") if name in self.config]
        quantizing = [name for name in ("algorithm", "method") if getattr(self, name) != getattr(BuildOptions, name)]
        quantizing += hybrid + [name for name in ("quantized_dtype", "quantized_hybrid_level") if name in self.config]
        problem = None
        if self.auto_hybrid and len(hybrid) > 1:
            problem = f"auto_hybrid chooses the float16 layers itself: leave out {' and '.join(hybrid[1:])}"
        elif self.algorithm == "mean" and (self.auto_hybrid or self.proposal):
            problem = f"{hybrid[0]} goes with the vendor's own algorithms only: normal, kl_divergence or mmse"
        elif self.algorithm == "mean" and self.custom_ops:
            problem = (
                "algorithm 'mean' runs the model on onnxruntime, which knows no custom ops: give --algorithm normal"
            )
        elif thresholds and not self.auto_hybrid:
            problem = f"{thresholds[0]} is auto_hybrid's threshold: add --auto-hybrid"
        elif dtype != "i8" and quantizing:
            problem = (
                f"{' and '.join(quantizing)} concerns quantization, but {dtype} is not quantized: "
                "leave it out, or pass --dataset and no --dtype fp16"
            )
        elif not calibrated and quantizing and (quantizing != ["algorithm"] or self.algorithm != "normal"):
            problem = (
                f"{' and '.join(quantizing)} concerns quantization, but the model is quantized already: leave it out"
            )
        elif dtype == "i8" and self.config.get("quantize_weight"):
            problem = "quantize_weight is for models that are not quantized: leave it out, or build with --dtype fp16"
        elif self.optimization_level not in range(4):
            problem = f"optimization_level {self.optimization_level} is not 0, 1, 2 or 3"
        elif self.batch < 1 or self.proposal < 0:
            problem = f"batch {self.batch} and proposal {self.proposal} must be at least 1 and 0"
        elif owned := self.config.keys() & OWNED.keys():
            name = min(owned)
            problem = f"'{name}' is not set in config: it comes from {OWNED[name]}"
        if problem:
            raise BuildError(problem)

    def normalised(self, metadata: ModelMetadata) -> ModelMetadata:
        """Return a detector's metadata with the mean and std of these options.

        Raises:
            BuildError: they are not three numbers each, or an option is for generic models only.
        """
        if foreign := [name for name in ("quant_img_RGB2BGR", "inputs_yuv_fmt") if self.config.get(name)]:
            raise BuildError(f"{foreign[0]} is for generic models, and a detector is given RGB: add --generic")
        changes: dict[str, Any] = {}
        for theirs, ours in (("mean_values", "mean"), ("std_values", "std")):
            if theirs in self.config:
                values = self.config[theirs]
                if isinstance(values, (list, tuple)) and len(values) == 1 and isinstance(values[0], (list, tuple)):
                    (values,) = values
                count = metadata.channels
                if (
                    not isinstance(values, (list, tuple))
                    or [isinstance(v, (int, float)) for v in values] != [True] * count
                ):
                    what = "three numbers, one a channel" if count == 3 else "one number, for the one channel"
                    raise BuildError(f"{theirs} = {self.config[theirs]!r} is not {what}")
                changes[ours] = tuple(map(float, values)) * (3 // count)
        return replace(metadata, **changes)

    def recorded(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON values, but for what has a field of its own in Build."""
        defaults = asdict(BuildOptions())
        changed = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        kept = {name: value for name, value in changed.items() if name not in ("algorithm", "method", "custom_ops")}
        return dict(json.loads(json.dumps(kept)))

    @classmethod
    def of(cls, build: Build) -> BuildOptions:
        """Return the options that a .rknn was built with.

        Raises:
            BuildError: recorded by a newer version, with options that this one does not know.
        """
        if unknown := build.options.keys() - cls.__dataclass_fields__.keys():
            raise BuildError(f"the .rknn was built with {', '.join(sorted(unknown))}, unknown here: update yolorknn")
        how = {"algorithm": build.algorithm, "method": build.method} if build.dtype == "i8" else {}
        return replace(
            cls.parse({**how, **build.options}), custom_ops=tuple(op["class"] for op in build.custom_ops.values())
        )

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> BuildOptions:
        """Return the options that JSON or TOML values stand for; the names are checked already.

        Raises:
            BuildError: a value is of the wrong type.
        """
        values = dict(fields)
        for name, value in values.items():
            default = cls().__dict__[name]
            fits = isinstance(value, (list, tuple) if isinstance(default, tuple) else type(default))
            if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
                kind = {int: "a number", bool: "true or false", str: "a text", tuple: "a list"}.get(
                    type(default), "a table"
                )
                raise BuildError(f"{name} = {value!r} is not {kind}")
        for name, what in (("float16", "names of tensors"), ("custom_ops", "FILE.py:CLASS")):
            if not all(isinstance(entry, str) for entry in values.get(name, ())):
                raise BuildError(f"{name} = {values[name]!r} is not a list of {what}")
            if name in values:
                values[name] = tuple(values[name])
        ends = values.get("custom_hybrid", ())
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in ends):
            raise BuildError(f"custom_hybrid = {ends!r} is not a list of [input tensor, output tensor]")
        if "custom_hybrid" in values:
            values["custom_hybrid"] = tuple((str(first), str(last)) for first, last in ends)
        return cls(**values)
