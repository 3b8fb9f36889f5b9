"""Many boards with one site file, at one real broker and one real Prometheus: none is taken for another."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT
from tests.fakes.mosquitto import Broker, needs_mosquitto, retained
from tests.fakes.prometheus import Prometheus, needs_prometheus
from tests.fakes.videos import quarters, write_video
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend
from tests.site.conftest import Rig, write_model
from yolorknn.site.keeper import Keeper
from yolorknn.stream.sinks.mqtt import address

TOKEN = "a-token-of-the-tests-0123456789"
SITE = """
[cameras.door]
source = "door.mp4"
[cameras.yard]
source = "rtsp://127.0.0.1:9/live"
[sinks]
json = "found.jsonl"
snapshots = "shots"
crops = "crops"
[mqtt]
host = "127.0.0.1"
port = {broker}
[page]
port = {page}
token_file = "page.token"
"""


class Fleet:
    """Boards in one process, each with a folder, an identity and a page of its own, and all else the same.

    Every second one has a copy of one card, and its chip's serial number; the others say none, with their own cards.
    """

    def __init__(self, folder: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._broker, self._patch = folder, broker, monkeypatch
        self.ports: list[int] = []
        self._keepers: list[Keeper] = []
        monkeypatch.setattr(address, "machine_name", lambda: "orangepi5")

    def add(self, number: int, *, serial: str | None = None) -> Keeper:
        home = self._folder / f"board{number}"
        home.mkdir()
        (home / "page.token").write_text(TOKEN)
        shutil.copy(self._folder / "door.mp4", home)
        write_model(home / "m.rknn")
        same = number % 2 == 0
        (home / "machine-id").write_text("0" * 32 if same else f"{number:032x}")
        (home / "serial").write_text(serial if serial is not None else f"9f2c61a1d3b8{number:04x}\0" if same else "")
        self._patch.setattr(address, "MACHINE_IDS", (home / "machine-id",))
        self._patch.setattr(address, "SERIAL", home / "serial")
        self._patch.setenv("STATE_DIRECTORY", str(home))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.ports.append(free.getsockname()[1])
        rig = Rig(home, cores=lambda: [WholeBackend(0.002, looks=False)])
        rig.write(SITE.format(broker=self._broker.port, page=self.ports[-1]))
        self._keepers.append(rig.keeper())
        return self._keepers[-1].__enter__()

    def close(self) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(Keeper.close, self._keepers))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    made = Broker(tmp_path / "broker", lines="log_type all\nconnection_messages true\n")
    yield made
    made.stop()


@pytest.fixture
def fleet(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    write_video(tmp_path / "door.mp4", [quarters(256, 320)] * 5, [0.1 * number for number in range(5)])
    made = Fleet(tmp_path, broker, monkeypatch)
    yield made
    made.close()


def scraped(folder: Path, ports: list[int]) -> Prometheus:
    """Start Prometheus with the configuration that is shipped, but sooner."""
    shutil.copy(ROOT / "yolorknn/serve/alerts.yml", folder)
    text = (ROOT / "containers/prometheus.yml").read_text()
    (folder / "prometheus.yml").write_text(text.replace("15s", "1s"))
    (folder / "page.token").write_text(TOKEN)
    (folder / "boards.yml").write_text(json.dumps([{"targets": [f"127.0.0.1:{port}" for port in ports]}]))
    return Prometheus(folder)


def told(port: int) -> Counter[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return how often each series is in one board's answer, as Prometheus' own parser reads it."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers, trust_env=False, timeout=20).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Counter((sample.name, tuple(sorted(sample.labels.items()))) for sample in samples)


def clients(broker: Broker) -> list[str]:
    """Return the client ids that connected, from the broker's log, in their order."""
    return re.findall(r"New client connected from \S+ as (yolorknn-\w+) ", broker.log)


def check(fleet: Fleet, broker: Broker, count: int, folder: Path) -> None:
    keepers = [fleet.add(number) for number in range(count)]
    until(lambda: all(keeper.status()["door"].detected == 5 for keeper in keepers))
    kept: dict[str, bytes] = {}

    def published() -> bool:
        kept.update(retained(broker))
        return sum(topic.endswith("/door/image") for topic in kept) == count

    until(published)
    boards = {topic.split("/")[1] for topic in kept if topic.startswith("yolorknn/")}
    assert len(boards) == count == len(set(clients(broker))) and set(clients(broker)) == boards
    assert len(clients(broker)) == count and "closing old connection" not in broker.log
    below = Counter(topic.split("/", 2)[2] for topic in kept if topic.startswith("yolorknn/"))
    assert set(below.values()) == {count} and {"status", "door/state", "yard/state"} <= set(below)
    configs = [json.loads(payload) for topic, payload in kept.items() if topic.startswith("homeassistant/device/")]
    entities = [entity["unique_id"] for config in configs for entity in config["cmps"].values()]
    assert len(configs) == count and len(set(entities)) == len(entities) >= count * 8
    assert len({config["dev"]["ids"][0] for config in configs}) == count

    every = [told(port) for port in fleet.ports]
    assert max(each for series in every for each in series.values()) == 1
    prometheus = scraped(folder, fleet.ports)
    try:
        until(lambda: prometheus.number('count(scrape_samples_scraped{job="yolorknn"} > 0)') == count)
        until(lambda: prometheus.number("sum(up)") == count)
        until(lambda: prometheus.number('count(yolorknn_camera_up{camera="yard"} == 0)') == count)
        (mine,) = prometheus.ask('count({job="yolorknn", __name__=~"yolorknn_.+|process_.+"})')
        wanted = sum(len(told(port)) for port in fleet.ports)
        assert int(mine["value"][1]) == wanted
        for fault in ("duplicate_timestamp", "out_of_order", "out_of_bounds"):
            assert prometheus.own(f"prometheus_target_scrapes_sample_{fault}_total") == 0
    finally:
        prometheus.close()


@needs_mosquitto
@needs_prometheus
@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_none_is_taken_for_another(fleet: Fleet, broker: Broker, count: int, tmp_path: Path) -> None:
    pytest.importorskip("av")
    check(fleet, broker, count, tmp_path)


@needs_mosquitto
def test_two_that_are_one_would_be_seen(fleet: Fleet, broker: Broker) -> None:
    """Copies of one card in boards that say no serial number: the broker's log has what is looked for above."""
    pytest.importorskip("av")
    fleet.add(0, serial="")
    fleet.add(2, serial="")
    until(lambda: "closing old connection" in broker.log)
    assert len(set(clients(broker))) == 1
