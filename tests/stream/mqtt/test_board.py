"""A board at a real broker: what Home Assistant sees, through kills, restarts and cameras that go."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.boards import BASE, CONFIG, LIGHT, PERSON, Boards, state
from tests.fakes.mosquitto import Broker, Listener, needs_mosquitto, retained
from tests.fakes.results import NAMES, detections, result, tracked
from tests.fakes.waiting import until
from yolorknn.errors import OutputError
from yolorknn.stream.clock import clock_is_synced
from yolorknn.stream.result import Result
from yolorknn.stream.scene import Direction, LineEvent, Scene, ZoneEvent
from yolorknn.stream.sinks.mqtt.clean import clean

pytestmark = [needs_mosquitto, pytest.mark.usefixtures("quick")]


def test_a_board_says_what_it_is_and_what_it_sees(boards: Boards, ears: Listener, broker: Broker) -> None:
    board = boards()
    sink = board.camera("camera 0", names=NAMES, picture_every=0)
    board.start()
    ears.until(f"{BASE}/status", lambda payload: payload == b"online")
    sink.write(result(3, found=detections(PERSON, PERSON, LIGHT), grey=90, timestamp=1e9))
    ears.until(f"{BASE}/camera_0/state", lambda payload: state(payload)["objects"] == 3)
    said = state(ears.of(f"{BASE}/camera_0/state")[-1])
    assert said["counts"] == {"person": 2, "traffic light": 1} and said["timestamp"] == 1e9
    assert said["clock_synced"] is clock_is_synced()
    assert said["problem"] is False and said["zones"] == {} and said["version"] == 1 and said["fps"] >= 0
    picture = cv2.imdecode(np.frombuffer(ears.until(f"{BASE}/camera_0/image", bool), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (60, 80, 3) and abs(int(picture[50, 70].mean()) - 90) < 4
    config = ears.until(CONFIG, lambda payload: b"count_traffic_light" in payload)
    assert set(json.loads(config)["cmps"]) == {
        f"camera_0_{key}" for key in ("picture", "objects", "fps", "problem", "count_person", "count_traffic_light")
    }
    order = [topic for topic, *_ in ears.messages if topic in (CONFIG, f"{BASE}/status")]
    assert order[:2] == [CONFIG, f"{BASE}/status"], "availability follows discovery"
    late = retained(broker)
    assert late[f"{BASE}/status"] == late[f"{BASE}/camera_0/status"] == b"online" and late[CONFIG] == config
    board.close()
    late = retained(broker)
    assert late[f"{BASE}/status"] == late[f"{BASE}/camera_0/status"] == b"offline"
    assert boards.told == []


def test_zones_and_lines_stay_over_a_restart_and_those_that_are_no_more_go(
    boards: Boards, ears: Listener, broker: Broker
) -> None:
    """They are known with the first result only: until then Home Assistant keeps what it has of them."""

    def given(*zones: str) -> Result[Any]:
        scene = Scene(zones={zone: {"person": 1} for zone in zones}, lines={"gate": {"in": {"person": 3}, "out": {}}})
        return result(found=detections(PERSON)).with_scene(detections(PERSON), scene)

    def entities(config: bytes) -> dict[str, bool]:
        """Whether each that is named is there, or is to be removed."""
        return {key.removeprefix("camera_0_"): len(value) > 1 for key, value in json.loads(config)["cmps"].items()}

    board = boards()
    sink = board.camera("camera 0", names=NAMES)
    board.start()
    sink.write(given("door", "desk"))
    ears.until(CONFIG, lambda payload: {"zone_door_person", "line_gate_in_person"} <= entities(payload).keys())
    sink.write(given("door"))
    ears.until(CONFIG, lambda payload: entities(payload).get("zone_desk_person") is False)
    board.close()
    told = len(ears.of(CONFIG))
    board = boards()
    sink = board.camera("camera 0", names=NAMES)
    board.start()
    until(lambda: len(ears.of(CONFIG)) > told)
    sink.write(given("door"))
    until(lambda: entities(ears.of(CONFIG)[-1]).get("zone_door_person"))
    board.close()
    for config in ears.of(CONFIG)[told:]:
        named = entities(config)
        assert named.get("zone_door_person", True) and named.get("line_gate_in_person", True)
    assert named["zone_door_person"] and named["line_gate_in_person"] and not named["zone_desk_person"]
    board = boards()
    sink = board.camera("camera 0", names=NAMES)
    board.start()
    sink.write(given())
    until(lambda: entities(ears.of(CONFIG)[-1]).get("zone_door_person") is False)
    board.close()


def test_above_a_thousand_open_files(boards: Boards, ears: Listener, many_files: None) -> None:
    """As a board with a hundred cameras has them, which record."""
    board = boards()
    sink = board.camera("camera 0", names=NAMES)
    board.start()
    sink.write(result(3, found=detections(PERSON), timestamp=1e9))
    ears.until(f"{BASE}/camera_0/state", lambda payload: state(payload)["objects"] == 1)
    board.close()
    assert boards.told == []


PUBLISHING = """
import sys, time
from pathlib import Path
from tests.fakes.results import NAMES, result
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard
board = MqttBoard(Address("127.0.0.1", int(sys.argv[1])), board="orangepi", memory=Path(sys.argv[2]))
sink = board.camera("camera0", names=NAMES)
board.start()
while True:
    sink.write(result())
    time.sleep(0.02)
"""


def test_the_last_will_of_a_killed_process(broker: Broker, ears: Listener, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PUBLISHING, str(broker.port), str(tmp_path)], cwd=ROOT)
    ears.until(f"{BASE}/status", lambda payload: payload == b"online")
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    ears.until(f"{BASE}/status", lambda payload: payload == b"offline")
    assert retained(broker)[f"{BASE}/status"] == b"offline"


def test_home_assistant_that_begins_anew_is_told_all(boards: Boards, ears: Listener) -> None:
    """Also where nothing changed since: availability of old is not enough."""
    board = boards()
    board.camera("camera0", names=NAMES)
    board.start()
    topics = (CONFIG, f"{BASE}/status", f"{BASE}/camera0/status", f"{BASE}/camera0/state")
    until(lambda: all(ears.of(topic) for topic in topics))
    until(lambda: not board.state.error)
    before = len(ears.messages)
    ears.say("homeassistant/status", b"online")
    until(lambda: {topic for topic, *_ in ears.messages[before + 1 :]} >= set(topics))
    again = [topic for topic, *_ in ears.messages[before:] if topic in topics]
    assert again[:2] == [CONFIG, f"{BASE}/status"]


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_broker_restarted_again_and_again(boards: Boards, broker: Broker, times: int) -> None:
    """One that forgets everything: what it keeps is right each time, and neither threads nor sockets are left."""
    board = boards()
    sink = board.camera("camera0", names=NAMES, picture_every=0)
    board.start()
    threads = threading.active_count()
    for number in range(times):
        found = detections(*[PERSON] * number)
        sink.write(result(number, found=found))
        ears = Listener(broker)
        wanted = {"person": number} if number else {}
        ears.until(f"{BASE}/camera0/state", lambda payload, wanted=wanted: state(payload)["counts"] == wanted)  # type: ignore[misc]
        ears.until(f"{BASE}/status", lambda payload: payload == b"online")
        ears.close()
        kept = retained(broker)
        assert json.loads(kept[CONFIG])["dev"]["ids"] == ["orangepi"]
        broker.stop()
        for extra in range(500):
            sink.write(result(extra, found=found))
        until(lambda: board.state.error)
        broker._config.write_text(broker._config.read_text().replace("persistence true", "persistence false"))
        broker.start()
    until(lambda: not board.state.error)
    assert board.state.reconnects == times and threading.active_count() <= threads
    back = f"the broker {broker.address} is there again"
    assert boards.told.count(back) == times and boards.told[-1] == back
    assert times <= len(boards.told) - times <= 2 * times  # it closed the connection; and refuses others, if asked then


def test_zones_are_counted_and_told(boards: Boards, ears: Listener) -> None:
    board = boards()
    sink = board.camera(
        "yard", names=NAMES, zones=["by the door", "street"], places=lambda given: [["by the door"]] * len(given[3])
    )
    board.start()
    ears.until(f"{BASE}/yard/state", lambda payload: state(payload)["zones"] == {"by the door": {}, "street": {}})
    sink.write(result(found=tracked(7)))
    ears.until(f"{BASE}/yard/state", lambda payload: state(payload)["zones"]["by the door"] == {"person": 1})
    ears.until(CONFIG, lambda payload: b"yard_zone_by_the_door_person" in payload)
    event = state(ears.until(f"{BASE}/yard/events", bool))
    assert event["zones"] == event["entered_zones"] == ["by the door"] and event["type"] == "new"


def test_what_tracking_knows_is_told(boards: Boards, ears: Listener) -> None:
    """Zones that came while it ran, counts that go on, and events under the id of their track."""
    board = boards()
    sink = board.camera("yard", names=NAMES)
    board.start()
    events = (LineEvent("in", "the gate", 7, 0, 1.0), ZoneEvent("left", "door", 9, 0, 1.1, 2.5))
    ways: dict[Direction, dict[str, int]] = {"in": {"person": 3}, "out": {}}
    scene = Scene(events, (("door",),), {"door": {"person": 2}}, {"door": {"person": 5}}, {"the gate": ways})
    sink.write(result(found=tracked(7)).with_scene(tracked(7), scene))
    said = state(ears.until(f"{BASE}/yard/state", lambda payload: state(payload)["zones"] == {"door": {"person": 2}}))
    assert said["entered"] == {"door": {"person": 5}} and said["lines"] == {"the gate": ways}
    ears.until(
        CONFIG, lambda payload: b"yard_zone_door_person" in payload and b"yard_line_the_gate_in_person" in payload
    )
    until(lambda: len(ears.of(f"{BASE}/yard/events")) == 3)
    new, crossed, left = map(state, ears.of(f"{BASE}/yard/events"))
    assert crossed == {
        "version": 1, "type": "crossed", "line": "the gate", "direction": "in", "tracker_id": 7, "class_id": 0,
        "name": "person", "timestamp": 1.0, "id": new["id"], "camera": "yard", "clock": "unix",
    }  # fmt: skip
    assert (left["type"], left["zone"], left["seconds"], left["id"]) == ("left", "door", 2.5, None)


def test_clean_leaves_nothing(boards: Boards, broker: Broker, ears: Listener, tmp_path: Path) -> None:
    """Also of what nobody remembers; and refuses while the board is there."""
    board = boards()
    sink = board.camera("yard", names=NAMES, picture_every=0)
    board.start()
    sink.write(result())
    ears.until(f"{BASE}/yard/image", bool)
    for prefix in ("yolorknn", "house"):  # who asks may have another one in mind
        with pytest.raises(OutputError, match=r"orangepi is connected to .*: end yolorknn on it first"):
            clean(replace(broker.address, prefix=prefix), "orangepi", memory=boards.folder)
    board.close()
    ears.say(f"{BASE}/forgotten/state", b"{}", retain=True)
    ears.say("yolorknn/other/status", b"online", retain=True)
    assert clean(broker.address, "orangepi", memory=boards.folder) == 7
    assert set(retained(broker)) == {"yolorknn/other/status"}
    assert list(boards.folder.iterdir()) == []
    assert clean(broker.address, "orangepi", memory=boards.folder) == 0
    broker.stop()
    with pytest.raises(OutputError, match=r"no connection to the broker .*: Connection refused"):
        clean(broker.address, "orangepi", memory=boards.folder)


def test_words_that_cannot_be_topics(boards: Boards) -> None:
    for word in ("a/b", "", "#", "ü", "a" * 65):
        with pytest.raises(OutputError, match="is no name of a board for MQTT" if word else "name of a board|."):
            boards(board=word or " ")
    board = boards()
    board.camera("a b", names=NAMES)
    with pytest.raises(OutputError, match="two cameras are called 'a_b'"):
        board.camera("a+b", names=NAMES)
