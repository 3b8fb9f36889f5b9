"""/metrics, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from yolorknn.live.camera import CameraStatus
from yolorknn.serve.watched import Watched
from yolorknn.stream.clock import clock_is_synced
from yolorknn.stream.result import Timings


def registry_of(watched: Watched) -> CollectorRegistry:
    """Return what Prometheus is told: all that is watched, and of this process."""
    registry = CollectorRegistry()
    registry.register(_All(watched))
    ProcessCollector(registry=registry)
    return registry


class _All(Collector):
    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def collect(self) -> Iterable[Metric]:
        """Yield everything."""
        yield from _of_cameras([status for watcher in self._watched.watchers for status in watcher.status()])
        yield from self._of_stages()
        yield from self._of_the_machine()

    def _of_stages(self) -> Iterator[Metric]:
        hub = self._watched.hub
        stages = HistogramMetricFamily("yolorknn_stage_seconds", "Seconds of a frame in a stage.", labels=["stage"])
        for name, histogram in zip(Timings._fields, hub.stages, strict=True):
            stages.add_metric([name], histogram.buckets(), histogram.total)
        yield stages
        latency = HistogramMetricFamily(
            "yolorknn_latency_seconds", "Seconds from a frame's arrival to its result.", labels=["camera"]
        )
        for camera, feed in hub.cameras.items():
            latency.add_metric([camera], feed.latency.buckets(), feed.latency.total)
        yield latency
        yield CounterMetricFamily("yolorknn_page_pictures", "Pictures encoded for the page and API.", hub.encoded)

    def _of_the_machine(self) -> Iterator[Metric]:
        busy = GaugeMetricFamily("yolorknn_npu_core_busy_ratio", "Share of time a core was in use.", labels=["core"])
        for core, share in enumerate(self._watched.busy()):
            busy.add_metric([str(core)], share)
        yield busy
        heat = GaugeMetricFamily("yolorknn_temperature_celsius", "Of a thermal zone.", labels=["zone"])
        for zone, degrees in self._watched.temperatures():
            heat.add_metric([zone], degrees)
        yield heat
        clocks = GaugeMetricFamily("yolorknn_npu_clock_hertz", "What an NPU runs at now.", labels=["npu"])
        for npu, hertz in self._watched.npu_clocks():
            clocks.add_metric([npu], hertz)
        yield clocks
        if (synced := clock_is_synced()) is not None:
            yield GaugeMetricFamily(
                "yolorknn_clock_synced", "Whether the system's clock follows a time server.", float(synced)
            )
        lost = CounterMetricFamily("yolorknn_sink_dropped", "Results that a sink did not take.", labels=["sink"])
        counts = Counter({"listeners of the page": self._watched.hub.dropped})
        for sink in self._watched.sinks():  # each camera may have one of a name, and a series is told once
            counts[sink.name] += sink.lost
        for name, count in counts.items():
            lost.add_metric([name], count)
        yield lost


def _of_cameras(every: list[CameraStatus]) -> Iterator[Metric]:
    up = GaugeMetricFamily("yolorknn_camera_up", "Whether a camera gives frames.", labels=["camera"])
    age = GaugeMetricFamily(
        "yolorknn_frame_age_seconds",
        "Since the newest frame that was detected in arrived, or else since the camera was begun.",
        labels=["camera"],
    )
    reconnects = CounterMetricFamily(
        "yolorknn_reconnects", "How often a camera was lost or could not be opened.", labels=["camera", "reason"]
    )
    frames = CounterMetricFamily("yolorknn_frames", "What became of frames.", labels=["camera", "what"])
    for status in every:
        up.add_metric([status.name], float(status.up))
        age.add_metric([status.name], status.quiet)
        for reason, count in status.source.losses.items():
            reconnects.add_metric([status.name, reason], count)
        counts = {
            **status.source.frames, "detected": status.detected, "lost": status.lost, "replaced": status.replaced,
        }  # fmt: skip
        for what, count in counts.items():
            frames.add_metric([status.name, what], count)
    yield from (up, age, reconnects, frames)
