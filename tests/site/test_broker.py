"""What a broker, and Home Assistant with it, keeps of a site that is stopped, however that is, or changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.mosquitto import Broker, needs_mosquitto, retained
from tests.fakes.rtsp import RtspCamera
from tests.fakes.videos import quarters, write_video
from tests.fakes.waiting import until
from tests.site.conftest import Rig, camera
from yolorknn.errors import OutputError, RestartsError
from yolorknn.site.keeper import Keeper

pytestmark = needs_mosquitto
BASE, CONFIG = "yolorknn/pi", "homeassistant/device/pi/config"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


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
