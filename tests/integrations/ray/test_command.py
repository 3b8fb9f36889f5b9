"""`yolorknn detect --ray` and `yolorknn node`, and what docs/scale.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import DEMO_ONNX, ROOT
from tests.docs.pages import blocks
from tests.integrations.ray.conftest import IMAGES, RayCluster, assert_same, needs_ray
from yolorknn.cli.app import app
from yolorknn.errors import BackendError, SourceError
from yolorknn.integrations.ray import detect

pytestmark = [pytest.mark.ray, needs_ray, pytest.mark.filterwarnings("default")]


def test_parquet_in_json_lines_out(cluster: RayCluster, tmp_path: Path, plain: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": [image.read_bytes() for image in IMAGES], "path": [image.name for image in IMAGES]})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=4)
    out = tmp_path / "out"
    given = ["detect", str(tmp_path / "images.parquet"), "--model", str(DEMO_ONNX), "-o", str(out)]
    done = CliRunner().invoke(app, [*given, "--ray", cluster.address, "--shards", "jsonl"])
    assert done.exit_code == 0, done.output
    lines = [line for part in sorted(out.glob("*.jsonl")) for line in part.read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    assert [row["source"] for row in rows] == [image.name for image in IMAGES]
    for row, found in zip(rows, plain, strict=True):
        assert_same(row, found)


def test_what_cannot_be_is_one_sentence(cluster: RayCluster, links: Path, tmp_path: Path) -> None:
    given = ["detect", str(links), "--model", str(DEMO_ONNX), "--ray"]
    runner = CliRunner()
    assert "needs -o FOLDER" in runner.invoke(app, [*given, cluster.address]).output
    refused = runner.invoke(app, [*given, cluster.address, "-o", str(tmp_path / "out"), "--track"])
    assert refused.exit_code == 2 and "--track" in refused.output
    alone = runner.invoke(app, [*given[:-1], "--column", "image"])
    assert alone.exit_code == 2 and "--column" in alone.output
    with pytest.raises(BackendError, match=r"there is no Ray cluster at 127\.0\.0\.1:1"):
        detect(str(links), DEMO_ONNX, tmp_path / "none", address="127.0.0.1:1")
    assert not (tmp_path / "none").exists()
    with pytest.raises(SourceError, match="absent"):
        detect(str(tmp_path / "absent"), DEMO_ONNX, tmp_path / "none", address=cluster.address)


def test_a_node_says_how_it_is_started() -> None:
    head = CliRunner().invoke(app, ["node"])
    assert head.exit_code == 0 and head.stdout.startswith("ray start --head --port=6379")
    other = CliRunner().invoke(app, ["node", "10.0.0.5:6379"])
    assert other.stdout.split() == ["ray", "start", "--address=10.0.0.5:6379", "--disable-usage-stats"]


def test_the_page_s_script(cluster: RayCluster, tmp_path: Path, plain: list[Any]) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "v8n.onnx").symlink_to(DEMO_ONNX)
    (tmp_path / "images").mkdir()
    for image in IMAGES:
        (tmp_path / "images" / image.name).symlink_to(image)
    (script,) = blocks(ROOT / "docs/scale.md", "python")
    environment = {**os.environ, "RAY_ADDRESS": cluster.address, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = sorted(pq.read_table(tmp_path / "found").to_pylist(), key=lambda row: str(row["source"]))
    assert [Path(row["source"]).name for row in found] == [image.name for image in IMAGES]
    for row, expected in zip(found, plain, strict=True):
        assert_same(row, expected)
