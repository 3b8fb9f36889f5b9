"""`val --ray`, and the gate on Ray: the numbers of one machine, to the last digit."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.waiting import until
from tests.integrations.ray.conftest import RayCluster, needs_ray
from yolorknn.cli.app import app
from yolorknn.errors import BackendError, OutputError
from yolorknn.integrations.ray import mapped, spread_over
from yolorknn.integrations.ray.cluster import Workers, workers
from yolorknn.integrations.ray.model_file import Shipped
from yolorknn.measure import gate
from yolorknn.measure.recipes import recipes
from yolorknn.toolkits.installed import choose, toolkits

pytestmark = [pytest.mark.ray, needs_ray, pytest.mark.filterwarnings("default")]
DATA = DATASET / "data.yaml"


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_val_measures_what_it_does_here(cluster: RayCluster, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    words = ["val", DEMO_ONNX, "--data", DATA, "--json", "-o"]
    plain, divided = run(*words, tmp_path / "plain"), run(*words, tmp_path / "divided", "--ray", cluster.address)
    assert divided.exit_code == 0, divided.output
    assert json.loads(divided.stdout) == json.loads(plain.stdout) and json.loads(plain.stdout)[0]["map"] > 0.5
    assert run(*words, tmp_path / "divided").stdout == plain.stdout, "what workers found is kept"


def test_what_cannot_be_is_one_sentence(cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocotools")
    words = ["val", DEMO_ONNX, "--data", DATA, "-o", tmp_path, "--ray"]
    absent = run(*words, "127.0.0.1:1")
    assert absent.exit_code == 1 and str(absent.exception).startswith("there is no Ray cluster at 127.0.0.1:1: start")
    with monkeypatch.context() as other:
        other.setattr("yolorknn.integrations.ray.spread.INSTALLED", "0.0.1")
        refused = run(*words, cluster.address)
    assert "but the job is of 0.0.1: install the same on every node" in str(refused.exception), refused.output
    assert not any(path.read_text().strip() for path in tmp_path.iterdir()), "nothing half is kept"
    with (
        spread_over(cluster.address) as spread,
        pytest.raises(BackendError, match=r"^node \S+: .* needs rknn-toolkit2 9\.9\.9, which is not installed: "),
    ):
        list(spread.work(_needs_a_toolkit, [1], model="m.onnx", simulate=True))


def test_a_node_whose_disk_is_full_is_named(cluster: RayCluster) -> None:
    with (
        spread_over(cluster.address) as spread,
        pytest.raises(OutputError, match=r"^node \S+: cannot write /\S+/of a test\.onnx: File too large$"),
    ):
        list(spread.work(_keeps_where_nothing_fits, [1], model="m.onnx", simulate=True))


def test_a_cluster_without_npu_cores_runs_no_rknn() -> None:
    without = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0})
    with pytest.raises(BackendError, match=r"^no node of the cluster has rknpu, .*'yolorknn node', or give the \.onnx"):
        workers(without, "m.rknn", simulate=False, own=False)
    assert workers(without, "m.onnx", simulate=False, own=False).actors == 4


def test_a_job_without_a_node_says_what_it_waits_for(
    driver: RayCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on as soon as one comes, as in clusters that grow."""
    import ray

    monkeypatch.setattr(mapped, "WAITING", 1.0)
    cluster: Any = driver.cluster
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(lambda: sorted(mapped.mapped(ray, _doubles, (), [1, 2], Workers(1, {"late": 1.0}, 0.0))))
        until(lambda: caplog.messages or job.done())
        node = cluster.add_node(num_cpus=1, resources={"late": 1})
        try:
            assert job.result(60) == [(0, 2), (1, 4)]
        finally:
            cluster.remove_node(node)
    assert caplog.messages == ["no worker runs: waiting for a node of the cluster with 1 late free"]


def _doubles() -> Callable[[int], int]:
    return lambda item: 2 * item


def _keeps_where_nothing_fits(_: object) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    Shipped("of a test.onnx", bytes(1000)).unpacked()


def _needs_a_toolkit(_: object) -> None:
    choose("9.9.9")


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four labelled images, two of which are measured on."""
    for image in sorted((DATASET / "images").glob("*.jpg"))[:4]:
        for kind, path in (("images", image), ("labels", DATASET / "labels" / f"{image.stem}.txt")):
            (tmp_path / "few" / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "few" / kind)
    return Path(shutil.copy(DATA, tmp_path / "few"))


@pytest.mark.slow
def test_the_gate_tries_the_same(few: Path, toolkit: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the recipes the first two: the rest is the toolkit's time."""
    if not toolkits():
        pytest.skip("no rknn-toolkit2 in .venv")
    monkeypatch.chdir(few.parent)
    monkeypatch.setattr(gate, "recipes", lambda *asked, **told: [list(next(iter(recipes(*asked, **told))))[:2]])
    reports = {}
    for name, more in {"plain": [], "ray": ["--ray", "local"]}.items():
        (tmp_path / name).mkdir()
        words = ["build", DEMO_ONNX, "--data", few.name, "--max-drop", 0, "-o", tmp_path / name, *more]
        done = run(*words)
        assert done.exit_code == 1 and "none of 2 recipes" in str(done.exception), done.output
        (file,) = (tmp_path / name).iterdir()
        reports[name] = json.loads(file.read_text())
        assert all(trial.pop("seconds") > 0 and trial["map"] is not None for trial in reports[name]["trials"])
    assert reports["ray"] == reports["plain"]
    assert len({trial["map"] for trial in reports["plain"]["trials"]}) == 2
