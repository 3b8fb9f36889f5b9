"""What a broker, and Home Assistant with it, keeps of a site that is stopped, however that is, or changed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tests.fakes.mosquitto import Broker, Listener, needs_mosquitto, retained
from tests.fakes.results import result, tracked
from tests.fakes.rtsp import RtspCamera
from tests.fakes.videos import quarters, write_video
from tests.fakes.waiting import until
from tests.fakes.watched import WATCHED
from tests.site.conftest import SINKS, Rig, camera, ticking, write_model
from yolorknn.errors import OutputError, RestartsError
from yolorknn.live.camera import CameraStatus
from yolorknn.serve.hub import Hub
from yolorknn.serve.metrics import registry_of
from yolorknn.serve.watched import Watched
from yolorknn.site.broker import health_of
from yolorknn.site.keeper import Keeper
from yolorknn.site.read import read_site
from yolorknn.site.sinks import SiteSinks
from yolorknn.stream.sinks.mqtt.topics import Health
from yolorknn.stream.sources.status import SourceStatus
from yolorknn.tasks.task import Wording

pytestmark = needs_mosquitto
BASE, CONFIG = "yolorknn/pi", "homeassistant/device/pi/config"


def mqtt(broker: Broker, more: str = "") -> str:
    return f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\nboard = "pi"\n{more}\n'


def entities(kept: dict[str, bytes]) -> dict[str, Any]:
    """Return those that Home Assistant has, by key: what is only named is to be removed there."""
    return {
        key: value for key, value in json.loads(kept.get(CONFIG, b'{"cmps": {}}'))["cmps"].items() if len(value) > 1
    }


def known(broker: Broker, *wanted: str) -> dict[str, bytes]:
    """Wait until the broker keeps these entities, and pictures; return all that it keeps."""
    kept: dict[str, bytes] = {}

    def there() -> bool:
        kept.clear()
        kept.update(retained(broker))
        return set(wanted) <= set(entities(kept)) and all(f"{BASE}/{key.split('_')[0]}/image" in kept for key in wanted)

    until(there)
    return kept


def left(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Assert that all stayed at the broker, and is said to be away."""
    assert entities(after) == entities(before) == json.loads(after[CONFIG])["cmps"], "no entity was removed"
    assert set(after) == set(before) - {f"{BASE}/session"}
    assert {payload for topic, payload in after.items() if topic.endswith("/status")} == {b"offline"}
    assert not any(json.loads(payload)["problem"] for topic, payload in after.items() if topic.endswith("/state"))


def stopped(_: Keeper) -> None:
    raise KeyboardInterrupt


def given_up(_: Keeper) -> None:
    raise RestartsError("model demo failed again after 5 restarts")


@pytest.mark.parametrize("way", [stopped, given_up])
def test_what_is_stopped_stays_at_the_broker(
    rig: Rig, served: list[RtspCamera], broker: Broker, way: Callable[[Keeper], None]
) -> None:
    rig.write(camera("a", served[0]) + camera("b", served[1]) + mqtt(broker))
    with pytest.raises((KeyboardInterrupt, RestartsError)), rig.keeper() as keeper:
        before = known(broker, "a_count_n0", "b_count_n0")
        way(keeper)
    left(before, retained(broker))


def test_what_is_at_its_end_stays_at_the_broker(rig: Rig, broker: Broker, tmp_path: Path) -> None:
    pytest.importorskip("av")
    write_video(tmp_path / "v.mp4", [quarters(256, 320)] * 5, [0.1 * number for number in range(5)])
    rig.write('[cameras.a]\nsource = "v.mp4"\n' + mqtt(broker))
    with rig.keeper() as keeper:
        before = known(broker, "a_objects")
        keeper.run(lambda: False)
    left(before, retained(broker))


def test_a_start_that_fails_leaves_what_is_at_the_broker(
    rig: Rig, served: list[RtspCamera], broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "disk").write_text("nothing is mounted here")
    rig.write(camera("a", served[0]) + mqtt(broker))
    with rig.keeper():
        before = known(broker, "a_count_n0")
    rig.write(camera("a", served[0]) + mqtt(broker) + '[sinks]\nrecord = "disk/a"\n')
    with pytest.raises(OutputError, match="cannot write"), rig.keeper():
        pass
    left(before, retained(broker))


def zone(name: str, polygon: str = "[[0, 0], [1, 0], [1, 1], [0, 1]]") -> str:
    return f'[zones.{name}]\ncamera = "a"\npolygon = {polygon}\n'


def lacked(ears: Listener, before: dict[str, bytes], *gone: str) -> list[str]:
    """Return what anybody who listened would have missed for a moment: entities, and topics that were cleared."""
    stay = set(entities(before)) - set(gone)
    configs = [entities({CONFIG: payload}) for payload in ears.of(CONFIG) if payload]
    whole = next(number for number, config in enumerate(configs) if stay <= set(config))
    missing = [key for config in configs[whole:] for key in stay - set(config)]
    return missing + [topic for topic in set(before) - {f"{BASE}/session"} if b"" in ears.of(topic)]


@pytest.fixture
def ears(broker: Broker) -> Iterator[Listener]:
    made = Listener(broker)
    yield made
    made.close()


def test_what_stays_as_it_is_is_not_touched(
    rig: Rig, served: list[RtspCamera], broker: Broker, ears: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zone comes, changes its shape, and goes; then one has to log in, and a camera goes: only that is seen."""
    both = camera("a", served[0]) + camera("b", served[1])
    rig.write(both + mqtt(broker) + zone("door"))
    with rig.keeper() as keeper:
        before = known(broker, "a_count_n0", "b_count_n0", "a_zone_door_n0")
        rig.write(both + mqtt(broker) + zone("door", "[[0, 0], [1, 0], [1, 0.9], [0, 1]]") + zone("desk"))
        assert keeper.reload()
        more = known(broker, "a_zone_desk_n0")
        assert entities(before).items() < entities(more).items() and not lacked(ears, before)
        rig.write(both + mqtt(broker, "picture_every = 1") + zone("desk"))
        assert keeper.reload()
        until(lambda: "a_zone_door_n0" not in entities(retained(broker)))
        after = retained(broker)
        assert entities(after) == {key: value for key, value in entities(more).items() if key != "a_zone_door_n0"}
        assert json.loads(after[CONFIG])["cmps"]["a_zone_door_n0"] == {"p": "sensor"}
        assert set(ears.of(f"{BASE}/status")) == {b"online"}
        monkeypatch.setenv("YOLORKNN_MQTT_PASSWORD", "s3cret")
        rig.write(both + mqtt(broker, 'user = "me"') + zone("desk"))
        assert keeper.reload()
        until(lambda: retained(broker)[f"{BASE}/status"] == b"online")
        assert not lacked(ears, before, "a_zone_door_n0") and set(before) <= set(retained(broker))
        rig.write(camera("b", served[1]) + mqtt(broker, 'user = "me"'))
        assert keeper.reload()
        until(lambda: f"{BASE}/a/state" not in retained(broker))
        after = retained(broker)
        assert {key.split("_")[0] for key in entities(after)} == {"b"} and f"{BASE}/b/image" in after
        assert not any(topic.startswith(f"{BASE}/a/") for topic in after)


def test_classes_of_another_model_are_all_that_changes(
    rig: Rig, served: list[RtspCamera], broker: Broker, ears: Listener
) -> None:
    rig.write(camera("a", served[0]) + mqtt(broker) + zone("door"))
    with rig.keeper() as keeper:
        before = known(broker, "a_count_n0", "a_zone_door_n0")
        write_model(rig.folder / "new.rknn", names=("v", *WATCHED.names[1:]))
        (rig.folder / "new.rknn").replace(rig.folder / "m.rknn")
        ticking(keeper, lambda: {"a_count_v", "a_zone_door_v"} <= set(entities(retained(broker))))
        after = retained(broker)
    gone = {key for key in entities(before) if key.endswith("_n0")}
    assert gone and not gone & set(entities(after))
    assert not lacked(ears, before, *gone)


def test_of_another_broker_all_goes_from_the_one_before(
    rig: Rig, served: list[RtspCamera], broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Broker(tmp_path / "other")
    try:
        rig.write(camera("a", served[0]) + mqtt(broker))
        with rig.keeper() as keeper:
            known(broker, "a_count_n0")
            rig.write(camera("a", served[0]) + mqtt(other))
            assert keeper.reload() and retained(broker) == {}
            before = known(other, "a_count_n0")
            rig.write(camera("a", served[0]) + mqtt(broker))
            other.stop()
            assert keeper.reload() and rig.said("; `yolorknn mqtt --clean` removes it")
            known(broker, "a_count_n0")
            rig.write(camera("a", served[0]))
            assert keeper.reload() and retained(broker) == {}
        other.start()
        assert entities(retained(other)) == entities(before)
    finally:
        other.stop()


def test_what_mqtt_loses_is_counted_as_of_other_sinks(rig: Rig, broker: Broker) -> None:
    """In what metrics and the page tell of sinks: events for which there was no connection."""
    broker.stop()
    rig.write('[cameras.camera0]\nsource = "camera0"\n' + mqtt(broker) + SINKS)
    sinks = SiteSinks(rig.told.append, lambda _: Health(0.0))
    sinks.fit(read_site(rig.file), {"camera0": Wording.of(WATCHED)})
    watcher = Mock(sinks=(sinks,), status=tuple, **{"loaded.busy": ()})
    try:
        for number in range(300):  # each is an object of its own
            sinks.write(result(number, found=tracked(number), camera="camera0"))
        with contextlib.closing(Hub({})) as hub:
            registry = registry_of(Watched([watcher], hub))
            assert registry.get_sample_value("yolorknn_sink_dropped_total", {"sink": "MQTT"}) == 300 - 256
            assert registry.get_sample_value("yolorknn_sink_dropped_total", {"sink": "JSON lines"}) is not None
    finally:
        sinks.close()


def test_a_file_at_its_end_is_no_problem() -> None:
    def problem(state: Any, why: str = "") -> str:
        source = SourceStatus("clip.mp4", state, why, 1, 0.0, (360, 640), 9.0, {}, {"read": 300}, 0)
        return health_of(CameraStatus("clip", 1.0, source, 300, 0, 0, 0.0, 9.0, 9.0)).problem

    assert problem("ended") == "" and problem("ended", "clip.mp4: it is cut off") == "clip.mp4: it is cut off"
    assert problem("opening") == "it is being opened" and problem("waiting", "no answer") == "no answer"
