"""BuildOptions: what rknn-toolkit2 is asked for besides platform, dtype and calibration set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from yolorknn.errors import BuildError
from yolorknn.metadata import Build
from yolorknn.platforms import Dtype

Algorithm = Literal["normal", "mmse", "kl_divergence"]
Method = Literal["channel", "layer"]


@dataclass(frozen=True)
class BuildOptions:
    """The vendor's options of one build; the defaults are the vendor's. Names of tensors are those of the ONNX."""

    algorithm: Algorithm = "normal"
    """How ranges are measured; mmse takes a hundred times as long as normal."""
    method: Method = "channel"
    """Whether weights have a scale per output channel or one per layer."""
    optimization_level: int = 3
    """0 to 3; below 3 the compiler leaves optimizations out."""
    auto_hybrid: bool = False
    """Let the toolkit itself keep layers in float16 whose cosine falls below `config["auto_hybrid_cos_thresh"]`."""
    float16: tuple[str, ...] = ()
    """Tensors whose layers stay in float16 (hybrid quantization in two steps)."""
    custom_hybrid: tuple[tuple[str, str], ...] = ()
    """Subgraphs that stay in float16, each from an input tensor to an output tensor."""
    proposal: bool = False
    """Let hybrid_quantization_step1 propose the layers to keep in float16."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Other arguments of RKNN.config(), by their names there."""

    @property
    def hybrid(self) -> bool:
        """Whether the build takes two steps."""
        return bool(self.float16 or self.custom_hybrid or self.proposal)

    def check(self, dtype: Dtype) -> None:
        """Refuse what contradicts itself or the dtype.

        Raises:
            BuildError: in one sentence.
        """
        named = [name for name in ("auto_hybrid", "float16", "custom_hybrid", "proposal") if getattr(self, name)]
        if self.auto_hybrid and len(named) > 1:
            raise BuildError(f"auto_hybrid chooses the float16 layers itself: leave out {' and '.join(named[1:])}")
        if dtype != "i8" and (named or self.algorithm != "normal" or self.method != "channel"):
            what = [name for name in ("algorithm", "method") if getattr(self, name) != getattr(BuildOptions, name)]
            raise BuildError(
                f"{' and '.join(what + named)} concerns quantization, but {dtype} is not quantized: "
                "pass --dataset, or leave it out"
            )
        if self.optimization_level not in range(4):
            raise BuildError(f"optimization_level {self.optimization_level} is not 0, 1, 2 or 3")

    def recorded(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON values; algorithm and method have fields of their own."""
        defaults = asdict(BuildOptions())
        changed = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        kept = {name: value for name, value in changed.items() if name not in ("algorithm", "method")}
        return dict(json.loads(json.dumps(kept)))

    @classmethod
    def of(cls, build: Build) -> BuildOptions:
        """Return the options that a .rknn was built with.

        Raises:
            BuildError: recorded by a newer version, with options that this one does not know.
        """
        options = dict(build.options)
        if unknown := options.keys() - cls.__dataclass_fields__.keys():
            raise BuildError(f"the .rknn was built with {', '.join(sorted(unknown))}, unknown here: update yolorknn")
        if "float16" in options:
            options["float16"] = tuple(options["float16"])
        if "custom_hybrid" in options:
            options["custom_hybrid"] = tuple((first, last) for first, last in options["custom_hybrid"])
        return cls(algorithm=build.algorithm, method=build.method, **options)  # type: ignore[arg-type]
