"""/metrics: what Prometheus' own tool says of it, and of the rules that are shipped."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.served import Served
from tests.fakes.trees import Tree
from tests.fakes.waiting import until
from tests.fakes.watched import WATCHED, WholeBackend, by_name, watched_detector
from yolorknn.live.camera import Camera
from yolorknn.live.watcher import Watcher
from yolorknn.serve.hub import Hub
from yolorknn.serve.metrics import registry_of
from yolorknn.serve.page import Page
from yolorknn.serve.watched import Watched
from yolorknn.stream.clock import clock_is_synced
from yolorknn.tasks.task import Wording

ALERTS = ROOT / "yolorknn/serve/alerts.yml"
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool: scripts/live-rig.sh installs it")


@pytest.fixture(scope="module")
def text(ask: httpx.Client, served: Served) -> Iterator[str]:
    until(lambda: 'reason="' in ask.get("/metrics").text)  # of the camera that is not there
    yield ask.get("/metrics").text


def test_what_is_told(text: str, page: Page) -> None:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert values["yolorknn_camera_up", ("door",)] == 1 and values["yolorknn_camera_up", ("attic",)] == 0
    assert 0 <= values["yolorknn_frame_age_seconds", ("door",)] < 10
    assert values["yolorknn_frames_total", ("door", "detected")] > 0
    assert values["yolorknn_reconnects_total", ("attic", "refused")] >= 1
    assert values["yolorknn_stage_seconds_count", ("infer",)] > 0
    assert (
        values["yolorknn_stage_seconds_sum", ("infer",)] >= 0.004 * values["yolorknn_stage_seconds_count", ("infer",)]
    )
    assert (
        values["yolorknn_latency_seconds_bucket", ("door", "+Inf")]
        == values["yolorknn_latency_seconds_count", ("door",)]
    )
    assert values["process_resident_memory_bytes", ()] > 10e6
    assert values.get(("yolorknn_clock_synced", ())) == clock_is_synced()
    assert {"yolorknn_npu_core_busy_ratio", "yolorknn_temperature_celsius", "yolorknn_sink_dropped"} <= families.keys()


def test_heat_and_what_it_slows_down(served: Served, tmp_path: Path) -> None:
    """As a Rock 5B shows them; what cannot be read is left out."""
    tree = Tree(tmp_path)
    tree.write("/sys/class/devfreq/fdab0000.npu/cur_freq", "300000000\n")
    tree.write("/sys/class/devfreq/fb000000.gpu/cur_freq", "1000000000\n")
    tree.write("/sys/class/devfreq/other.npu/cur_freq", "none\n")
    sys = tmp_path / "sys/class"
    registry = registry_of(Watched([served.watcher], served.hub, thermal=sys / "thermal", devfreq=sys / "devfreq"))
    assert registry.get_sample_value("yolorknn_temperature_celsius", {"zone": "npu-thermal"}) == 46.23
    (clocks,) = [family for family in registry.collect() if family.name == "yolorknn_npu_clock_hertz"]
    assert [(sample.labels["npu"], sample.value) for sample in clocks.samples] == [("fdab0000.npu", 300e6)]


def test_a_first_inference_that_hangs_has_an_age(tmp_path: Path) -> None:
    """Of a camera that gives frames, so that the rule on no progress has something to compare."""
    pytest.importorskip("av")
    goes_on = threading.Event()

    class Hangs(WholeBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            assert goes_on.wait(60)
            return super().infer(image)

    with (
        RtspCamera(encoded()) as camera,
        watched_detector(tmp_path, [Hangs(looks=False)]) as detector,
        contextlib.closing(Hub({"door": Wording.of(WATCHED)})) as hub,
        Watcher(detector, [Camera("door", camera.url)], [hub]) as watcher,
    ):
        registry, labels = registry_of(Watched([watcher], hub)), {"camera": "door"}
        try:
            until(lambda: registry.get_sample_value("yolorknn_camera_up", labels) == 1)
            before = registry.get_sample_value("yolorknn_frame_age_seconds", labels)
            assert before is not None
            until(lambda: (registry.get_sample_value("yolorknn_frame_age_seconds", labels) or 0) > before + 0.5)
        finally:
            goes_on.set()
        until(lambda: by_name(watcher)["door"].detected)
        assert (registry.get_sample_value("yolorknn_frame_age_seconds", labels) or 99) < 60


@promtool
def test_promtool_has_nothing_against_it(text: str) -> None:
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


@promtool
def test_promtool_takes_the_rules_and_they_ask_for_what_there_is(text: str) -> None:
    done = subprocess.run(["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert len(group["rules"]) == 4
    for rule in group["rules"]:
        for name in re.findall(r"yolorknn_\w+", rule["expr"]):
            assert f"# TYPE {name} " in text, name


FAULTS = """
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="yolorknn", instance="away:8080"}', values: "1 0x10"}
      - {series: 'up{job="yolorknn", instance="fine:8080"}', values: "1x11"}
      - {series: 'up{job="other", instance="away:9090"}', values: "0x11"}
      - {series: 'yolorknn_camera_up{instance="fine:8080", camera="door"}', values: "0x11"}
      - {series: 'yolorknn_camera_up{instance="fine:8080", camera="yard"}', values: "1x11"}
      - {series: 'yolorknn_frame_age_seconds{instance="fine:8080", camera="door"}', values: "0+60x11"}
      - {series: 'yolorknn_frame_age_seconds{instance="fine:8080", camera="yard"}', values: "0+60x11"}
      - {series: 'yolorknn_sink_dropped_total{instance="fine:8080", sink="MQTT"}', values: "0+60x11"}
      - {series: 'yolorknn_sink_dropped_total{instance="fine:8080", sink="CSV"}', values: "5x11"}
    alert_rule_test:
      - eval_time: 11m
        alertname: YolorknnBoardAway
        exp_alerts:
          - exp_labels: {severity: critical, job: yolorknn, instance: "away:8080"}
            exp_annotations: {summary: "away:8080 does not answer"}
      - eval_time: 11m
        alertname: YolorknnCameraLost
        exp_alerts:
          - exp_labels: {severity: warning, instance: "fine:8080", camera: door}
            exp_annotations: {summary: "door on fine:8080 gives no pictures"}
      - eval_time: 11m
        alertname: YolorknnNoProgress
        exp_alerts:
          - exp_labels: {severity: critical, instance: "fine:8080", camera: yard}
            exp_annotations:
              summary: Nothing is detected in pictures of yard on fine:8080, which gives some
      - eval_time: 11m
        alertname: YolorknnResultsLost
        exp_alerts:
          - exp_labels: {severity: warning, instance: "fine:8080", sink: MQTT}
            exp_annotations: {summary: "MQTT on fine:8080 does not keep up: results are lost"}
      - {eval_time: 1m, alertname: YolorknnBoardAway, exp_alerts: []}
"""
"""For promtool: a board that is away and one that answers, of which every second camera and sink has a fault."""


@promtool
def test_who_is_woken_for_what(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    (tmp_path / "test.yml").write_text(FAULTS)
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
