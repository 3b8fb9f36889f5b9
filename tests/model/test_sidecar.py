"""The .json beside a model that holds its metadata: read where it is that model's, else named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.model.test_files import full
from yolorknn.errors import MetadataError
from yolorknn.model import rknn_file
from yolorknn.model.packing import pack_beside
from yolorknn.tasks.known import metadata_of


def test_sidecar_is_read_where_the_string_did_not_fit(tmp_path: Path) -> None:
    metadata = full()
    path = write_rknn(tmp_path / "m.rknn", metadata, custom=None)
    long = "\u72ac" * 400_000  # beyond a MiB, but not a million characters
    for names in (metadata.names, (long, *metadata.names[1:])):
        named = replace(metadata, names=names)
        (tmp_path / "m.json").write_text(named.to_json(), encoding="utf-8")
        assert metadata_of(rknn_file.read(path)) == named


def test_a_sidecar_is_the_one_of_this_build(tmp_path: Path) -> None:
    """Of a model that was built anew and copied without it, the classes would have each other's names."""
    metadata = full()
    path = write_rknn(tmp_path / "m.rknn", metadata, custom=pack_beside(metadata.to_json()))
    for names in (metadata.names, metadata.names[::-1]):
        named = replace(metadata, names=names)
        (tmp_path / "m.json").write_text(named.to_json(), encoding="utf-8")
        if names == metadata.names:
            assert metadata_of(rknn_file.read(path)) == named
        else:
            with pytest.raises(MetadataError, match=r"/m\.json is not the metadata .* of another build"):
                metadata_of(rknn_file.read(path))
    (tmp_path / "m.json").unlink()
    with pytest.raises(MetadataError, match=r"m\.rknn needs its metadata, m\.json, beside it: copy both"):
        metadata_of(rknn_file.read(path))


def test_what_else_is_called_like_the_sidecar_is_named(tmp_path: Path) -> None:
    path = write_rknn(tmp_path / "zoo.rknn", split_metadata((640, 640), 80, sums=True), custom=None)
    for text in ('{"boxes": []}', "[1]", "", '{"names": ["a"]}'):
        (tmp_path / "zoo.json").write_text(text)
        with pytest.raises(MetadataError, match=r"/zoo\.json is not the metadata that were written beside zoo\.rknn:"):
            metadata_of(rknn_file.read(path))
