"""Detection on a real Ray cluster of one machine: the same boxes, nothing lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DEMO_ONNX, ROOT
from tests.integrations.ray.conftest import IMAGES, RayCluster, assert_same, needs_ray
from yolorknn.errors import BackendError, OutputError, SourceError
from yolorknn.image import read_image
from yolorknn.integrations.ray import RayDetector, detect
from yolorknn.integrations.ray.output import JOB

pytestmark = [pytest.mark.ray, needs_ray, pytest.mark.filterwarnings("default")]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return [row for part in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]


def test_a_batch_gives_what_the_detector_gives(plain: list[Any]) -> None:
    pictures = [read_image(image) for image in IMAGES]
    batches: dict[str, dict[str, Any]] = {
        "paths": {"path": np.array([str(image) for image in IMAGES])},
        "bytes": {"bytes": np.array([image.read_bytes() for image in IMAGES], object)},
        "bgr": {"image": pictures},
        "rgb": {"image": [picture[:, :, ::-1] for picture in pictures]},
        "Hugging Face's": {"image": [{"bytes": image.read_bytes(), "path": None} for image in IMAGES]},
        "URLs": {"item": [image.resolve().as_uri() for image in IMAGES]},
    }
    for name, batch in batches.items():
        detector = RayDetector(DEMO_ONNX, colours={"bgr": "bgr", "rgb": "rgb"}.get(name))  # type: ignore[arg-type]
        for row, found in zip(detector(batch).to_pylist(), plain, strict=True):
            assert_same(row, found)
        detector.close()


def test_a_batch_says_what_is_wrong_with_it() -> None:
    detector = RayDetector(DEMO_ONNX)
    picture = read_image(IMAGES[0])
    (row,) = detector({"image": [picture]}).to_pylist()
    assert "colours='rgb'" in row["error"] and row["class_id"] is None
    good, bad, absent = detector({"path": [str(IMAGES[0]), __file__, "absent.jpg"]}).to_pylist()
    assert good["error"] is None and __file__ in bad["error"] and "absent.jpg" in absent["error"]
    with pytest.raises(SourceError, match="no column image or bytes or path or item, but frames"):
        detector({"frames": [picture]})
    detector.close()
    with pytest.raises(BackendError, match="install the same on every node"):
        RayDetector(DEMO_ONNX, version="0.0.1")


def test_a_dataset_is_mapped(driver: RayCluster, plain: list[Any], tmp_path: Path) -> None:
    import ray.data

    images = ray.data.from_items([{"path": str(image), "index": number} for number, image in enumerate(IMAGES)])
    found = images.map_batches(
        RayDetector,
        fn_constructor_args=(str(DEMO_ONNX),),
        compute=ray.data.ActorPoolStrategy(size=1),
        batch_size=4,
        resources={"rknpu": 1},
    )
    rows = sorted(found.take_all(), key=lambda row: row["index"])
    for row, expected in zip(rows, plain, strict=True):
        assert_same(row, expected)


def test_a_job_has_every_image_once_in_the_order_of_the_source(
    cluster: RayCluster, links: Path, tmp_path: Path, plain: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    told: list[tuple[int, int]] = []
    monkeypatch.chdir(tmp_path)  # which is no worker's folder
    job = detect(links.name, DEMO_ONNX, out, address=cluster.address, shard=8, progress=lambda *now: told.append(now))
    assert (job.images, job.failed, job.workers) == (60, 1, 3) and told[0] == (0, 60) and told[-1] == (60, 60)
    rows = rows_of(out)
    assert [row["index"] for row in rows] == list(range(60))
    assert [row["source"] for row in rows] == [str(path) for path in sorted(links.iterdir())]
    for row in rows:
        if row["source"].endswith("0007.jpg"):
            assert "0007.jpg" in row["error"] and row["confidence"] is None
        else:
            assert_same(row, plain[row["index"] % len(plain)])
    again = detect(str(links), DEMO_ONNX, out, address=cluster.address, shard=8)
    assert again.done_before == 60 and rows_of(out) == rows
    with pytest.raises(OutputError, match="another job, whose conf differs"):
        detect(str(links), DEMO_ONNX, out, address=cluster.address, shard=8, conf=0.5)
    (out / "part-000003.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"cannot read the shard .*part-000003\.parquet"):
        detect(str(links), DEMO_ONNX, out, address=cluster.address, shard=8)
    (out / "part-000003.parquet").unlink()
    assert detect(str(links), DEMO_ONNX, out, address=cluster.address, shard=8).done_before == 52
    assert rows_of(out) == rows


def test_a_url_that_pyarrow_reads(cluster: RayCluster, plain: list[Any], tmp_path: Path) -> None:
    """Remote storage is read by its file systems, of which file:// needs no server."""
    folder = tmp_path / "far images"
    folder.mkdir()
    for number, image in enumerate(IMAGES):
        (folder / f"{number:04d}.jpg").symlink_to(image)
    assert detect(f"{folder.as_uri()}/", DEMO_ONNX, tmp_path / "out", address=cluster.address).images == len(IMAGES)
    rows = rows_of(tmp_path / "out")
    assert [row["index"] for row in rows] == list(range(len(IMAGES)))
    for row, found in zip(rows, plain, strict=True):
        assert_same(row, found)


@pytest.mark.slow
def test_a_node_and_the_driver_may_be_killed(cluster: RayCluster, links: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; from tests.integrations.ray.simulated import cores; from yolorknn.integrations.ray import detect;"
        "detect(*sys.argv[1:4], address=sys.argv[4], shard=4, backends=cores(100))"
    )
    command = [sys.executable, "-c", code, str(links), str(DEMO_ONNX), str(out), cluster.address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("part-*.parquet"))) < 3:
        assert first.poll() is None
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = len(list(out.glob("part-*.parquet")))
    assert done < 15
    second = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("part-*.parquet"))) < done + 2:
        assert second.poll() is None
        time.sleep(0.1)
    cluster.cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)  # type: ignore[attr-defined]
    assert second.wait(timeout=120) == 0
    assert [row["index"] for row in rows_of(out)] == list(range(60))
    assert {path.name for path in out.iterdir()} == {JOB, *(f"part-{number:06d}.parquet" for number in range(15))}
