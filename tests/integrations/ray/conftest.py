"""A real Ray cluster: a head without NPU, and three nodes with one core each."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import DATASET, DEMO_ONNX, ROOT
from yolorknn import Detector
from yolorknn.toolkits.installed import SHARED

IMAGES = sorted((DATASET / "images").glob("*.jpg"))[:10]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray: scripts/numpy2.sh brings it")
_MEMORY = 100 * 2**20


class RayCluster:
    """What runs, and what a command needs to reach it."""

    def __init__(self, address: str, nodes: list[object], cluster: object) -> None:
        self.address, self.nodes, self.cluster = address, nodes, cluster


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For this process and the cluster, an environment of rknn-toolkit2's own, of what .venv has; if it has it."""
    data, python = tmp_path_factory.mktemp("data"), ROOT / ".venv/bin/python"
    asked = "import site, importlib.metadata as m; print(site.getsitepackages()[0], m.version('rknn-toolkit2'))"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_DATA_HOME", str(data))
        command = [python if python.exists() else "false", "-c", asked]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        if said:
            packages, version = said
            made = data / "yolorknn/toolkits" / version
            subprocess.run([python, "-m", "venv", "--without-pip", made], check=True)
            (own,) = made.glob("lib/python3.*/site-packages")
            for path in (Path(packages) / "rknn", *Path(packages).glob("rknn_toolkit2-*.dist-info")):
                (own / path.name).symlink_to(path)
            (own / SHARED).write_text(f"{packages}\n")
        yield


@pytest.fixture(scope="session")
def cluster(toolkit: None) -> Iterator[RayCluster]:
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": _MEMORY},
    )
    try:
        nodes = [made.add_node(num_cpus=1, resources={"rknpu": 1}, object_store_memory=_MEMORY) for _ in range(3)]
        made.wait_for_nodes()
        yield RayCluster(made.address, nodes, made)
    finally:
        made.shutdown()


@pytest.fixture
def driver(cluster: RayCluster) -> Iterator[RayCluster]:
    """The cluster, with this process as its driver."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        yield cluster
    finally:
        ray.shutdown()


@pytest.fixture(scope="session")
def plain() -> list[Any]:
    with Detector(DEMO_ONNX) as detector:
        return [detector.detect(image) for image in IMAGES]


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder of images, and one that is none among them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:04d}.jpg").symlink_to(IMAGES[number % len(IMAGES)])
    (folder / "0007.jpg").unlink()
    (folder / "0007.jpg").write_bytes(b"no picture")
    return folder


def assert_same(row: dict[str, Any], found: Any) -> None:
    assert row["error"] is None and row["class_id"] == found.class_id.tolist()
    assert np.allclose(row["confidence"], found.confidence, atol=1e-4)
    boxes = np.stack([row[side] for side in ("x1", "y1", "x2", "y2")], axis=1)
    assert np.allclose(boxes, found.xyxy, atol=0.01)
