"""GenericMetadata: what yolorknn writes into a .rknn that is no detector. Tensors are stated by the file itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolorknn.errors import MetadataError
from yolorknn.model.fields import metadata_fields
from yolorknn.model.metadata import Build, source_beside


@dataclass(frozen=True)
class GenericMetadata:
    """What a model was made from and how: enough to build the same again."""

    source: str
    """The file it was made from, its way from the folder of this one; and its sha256, with its weights'."""
    sha256: str
    build: Build
    """Its digest is over the calibration files, in order."""

    def source_of(self, model: Path) -> Path:
        """Return where the file is, or should be, that a model was made from; beside the model it may be too."""
        return source_beside(model, self.source)

    def to_json(self) -> str:
        """Return compact JSON."""
        fields = {"generic": True, **asdict(self), "build": self.build.fields()}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> GenericMetadata:
        """Parse what to_json() wrote; unknown fields (of a newer version) are ignored.

        Raises:
            MetadataError: not such JSON.
        """
        try:
            fields = metadata_fields(text, ("source", "sha256"), tuple(Build.__dataclass_fields__))
            return cls(fields["source"], fields["sha256"], Build(**fields["build"]))
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise MetadataError(f"the model's metadata is not readable ({exc}); build the model again") from exc

    def describe(self) -> Mapping[str, Any]:
        """Return the fields as plain JSON values."""
        return dict(json.loads(self.to_json()))
