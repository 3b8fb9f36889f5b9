"""A .rknn for the first generation of NPUs: its format has no room for metadata, which are in the .json beside it."""

from __future__ import annotations

from pathlib import Path

from yolorknn.errors import MetadataError, ModelError
from yolorknn.files import check_model_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import FIRST_GENERATION
from yolorknn.model.sidecar import read_sidecar


def first_metadata(path: Path) -> ModelMetadata | None:
    """Return the metadata beside a .rknn of the first generation; None of any other file, and where there are none."""
    try:
        return read_first(path) if path.suffix.lower() == ".rknn" else None
    except ModelError:
        return None


def read_first(path: Path) -> ModelMetadata:
    """Return the metadata beside a .rknn of the first generation.

    Raises:
        ModelError: there is no such file, no .json beside it, or one that is of something else.
    """
    check_model_file(path)
    metadata = read_sidecar(path, ModelMetadata.from_json)
    if metadata is None:
        raise ModelError(f"{path} needs its metadata, {path.stem}.json, beside it: copy both")
    if metadata.build is None or metadata.build.platform not in FIRST_GENERATION:
        raise MetadataError(f"{path.with_suffix('.json')} is not of a .rknn for {', '.join(FIRST_GENERATION)}")
    return metadata
