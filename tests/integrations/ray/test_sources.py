"""What a job reads, as far as it takes no Ray to know that."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from yolorknn.errors import OutputError, SourceError
from yolorknn.integrations.ray.output import begin
from yolorknn.integrations.ray.sources import shards


def test_the_paths_of_a_list_are_relative_to_it(tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"a/1.jpg\n{tmp_path}/2.jpg\n\ns3://bucket/3.jpg\n")
    (shard,) = shards(str(listing))
    assert shard.paths == (f"{tmp_path}/a/1.jpg", f"{tmp_path}/2.jpg", "s3://bucket/3.jpg")


def test_pictures_beside_tables_are_not_left_out_in_silence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has Parquet files and .*2\.jpg beside them"):
        shards([str(tmp_path / "1.parquet"), str(tmp_path / "2.jpg")])
    for name in ("1.parquet", "2.jpg", ".3.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=r"has Parquet files and .*/2\.jpg beside them.* as a glob '.*/\*\.parquet'$"):
        shards(str(tmp_path))


def test_a_list_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    """As Windows writes it; and a name that is no text in UTF-8."""
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf1.jpg\r\n2.jpg\r\n")
    (shard,) = shards(str(tmp_path / "list.txt"))
    assert shard.paths == (f"{tmp_path}/1.jpg", f"{tmp_path}/2.jpg")
    name = os.fsdecode(b"\xfc.jpg")
    (tmp_path / name).touch()
    (tmp_path / "list.txt").write_bytes(b"\xfc.jpg\n")
    (shard,) = shards(str(tmp_path / "list.txt"))
    assert shard.paths == (f"{tmp_path}/{name}",)


@pytest.mark.parametrize("classes", [[0, 2], (0, 2), np.array([0, 2])])
def test_a_job_is_gone_on_with_whatever_its_options_are_lists_of(tmp_path: Path, classes: object) -> None:
    """A tuple is a list once it is read again."""
    for _ in range(2):
        assert begin(tmp_path / "out", {"classes": classes, "conf": np.float32(0.5)}, [], "parquet") == []
    with pytest.raises(OutputError, match="whose classes differs"):
        begin(tmp_path / "out", {"classes": [0], "conf": 0.5}, [], "parquet")
