"""BuildPlan: all that the toolkit's calls need to build a model, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.ranges import Observed
from yolorknn.convert.toolkit.process import Instance
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.interface import Interface
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import Dtype
from yolorknn.toolkits.installed import Installed


@dataclass(frozen=True)
class BuildPlan:
    """A build made ready. The vendor's code sees no path of the user's, whatever is in it, but links and copies."""

    platform: str
    dtype: Dtype
    options: BuildOptions
    load: Mapping[str, Any]
    """Arguments of the loader."""
    scratch: Path
    """Folder of the files that were made for the build; it goes with the plan."""
    toolkit: Installed
    """The toolkit whose calls they are."""
    loader: str = "load_onnx"
    calibration: Path | None = None
    """The list of calibration images that the toolkit reads."""
    observed: Callable[[], Observed] | None = None
    """Of a calibrated detector, gives the extremes of its tensors on some of these images."""
    custom_ops: tuple[Instance, ...] = ()
    metadata: ModelMetadata | None = None
    """Of the .rknn to be; None for a generic model."""
    generic: GenericMetadata | None = None
    """Of the .rknn to be; None for a detector."""
    interface: Interface | None = None
    """Of a detector, as the ONNX states it."""

    @property
    def build(self) -> Build:
        """What the .rknn is to record of its build."""
        said = self.metadata.build if self.metadata else self.generic.build if self.generic else None
        assert said is not None, "a plan has metadata of one kind, and it a build"
        return said
