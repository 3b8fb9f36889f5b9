"""A board whose broker is away, hangs or is taken over, and whose cameras fail or go."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.boards import BASE, CONFIG, LIGHT, PERSON, Boards, counts_are, state
from tests.fakes.mosquitto import Broker, Listener, needs_mosquitto, retained
from tests.fakes.results import NAMES, detections, result, tracked
from tests.fakes.waiting import until
from yolorknn.stream import backoff
from yolorknn.stream.sinks.mqtt import link, outbox
from yolorknn.stream.sinks.mqtt.board import MqttBoard
from yolorknn.stream.sinks.mqtt.topics import Health

pytestmark = [needs_mosquitto, pytest.mark.usefixtures("quick")]


def test_without_a_broker_memory_is_bounded_and_events_are_counted(
    boards: Boards, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Listener(broker, name="recorder")
    broker.stop()
    monkeypatch.setattr(outbox, "MOST_EVENTS", 50)
    try:
        board = boards()
        sink = board.camera("camera0", names=NAMES)
        board.start()
        for number in range(1000):
            sink.write(result(number, found=tracked(number)))
        assert board.state.dropped == 950 and board.state.error
        broker.start()
        until(lambda: len(ears.of(f"{BASE}/camera0/events")) >= 50)
        numbers = [state(payload)["tracker_id"] for payload in ears.of(f"{BASE}/camera0/events")][:50]
        assert numbers == list(range(950, 1000)), "the newest"
        assert len(ears.of(f"{BASE}/camera0/state")) <= 3, "of a state the newest alone"
    finally:
        ears.close()


@pytest.mark.slow
def test_a_broker_that_stands_still_is_left_and_found_again(
    boards: Boards, broker: Broker, ears: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yolorknn.stream.sinks.mqtt.client.KEEPALIVE", 1)
    board = boards()
    sink = board.camera("camera0", names=NAMES)
    board.start()
    ears.until(f"{BASE}/status", lambda payload: payload == b"online")
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        while not board.state.error and time.monotonic() - begun < 30:
            sink.write(result(found=tracked(*range(3))))
            time.sleep(0.001)
        assert board.state.error
    finally:
        broker.process.send_signal(signal.SIGCONT)
    sink.write(result(found=detections(LIGHT)))
    ears.until(f"{BASE}/camera0/state", counts_are(**{"traffic light": 1}))
    until(lambda: not board.state.error)


def test_two_of_one_name_are_told_and_do_not_fight(
    boards: Boards, broker: Broker, ears: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that came first leaves the place to the other, and takes it again when that is gone."""
    monkeypatch.setattr(backoff, "LONGEST", 1.0)
    monkeypatch.setattr(link, "STABLE", 0.0)  # so that who is thrown out comes back soon, as after hours
    first, second = boards(), boards()
    first.camera("camera0", names=NAMES)
    first.start()
    until(lambda: not first.state.error)
    second.start()
    why = "another program is connected as orangepi: two on this board, or a copied system card"
    until(lambda: first.state.error == why)
    assert f"no connection to the broker {broker.address}: {why}" in boards.told
    until(lambda: not second.state.error)
    until(lambda: second.state.reconnects >= 2)
    assert first.state.error == why and boards.told.count(f"no connection to the broker {broker.address}: {why}") == 1
    second.close()
    until(lambda: not first.state.error)
    until(lambda: ears.last(f"{BASE}/session"))


def test_a_camera_that_goes_leaves_nothing(boards: Boards, broker: Broker, ears: Listener) -> None:
    """While the program runs, and in the next run."""
    board = boards()
    kept, going, later = (board.camera(name, names=NAMES, picture_every=0) for name in ("yard", "door", "roof"))
    board.start()
    for sink in (kept, going, later):
        sink.write(result(found=detections(PERSON)))
    for name in ("yard", "door", "roof"):
        ears.until(f"{BASE}/{name}/image", bool)
        ears.until(CONFIG, lambda payload, name=name: f"{name}_count_person".encode() in payload)  # type: ignore[misc]
    board.remove(going)
    ears.until(f"{BASE}/door/image", lambda payload: payload == b"")
    components = json.loads(ears.until(CONFIG, lambda payload: b'"door_picture": {"p": "camera"}' in payload))["cmps"]
    assert components["door_count_person"] == {"p": "sensor"} and len(components["yard_count_person"]) > 3
    board.close()
    board = boards()
    board.camera("yard", names=NAMES)
    board.start()
    ears.until(f"{BASE}/roof/image", lambda payload: payload == b"")
    board.close()
    kept_by = retained(broker)
    assert {topic.split("/")[2] for topic in kept_by if topic.startswith(BASE)} == {"status", "yard"}
    components = json.loads(kept_by[CONFIG])["cmps"]
    assert components["roof_fps"] == components["door_fps"] == {"p": "sensor"}
    assert len(components["yard_count_person"]) > 3, "what an earlier run saw is still there"


def test_a_board_whose_names_changed(boards: Boards, broker: Broker, ears: Listener) -> None:
    """What counted a class that the model does not know any more goes."""
    board = boards()
    sink = board.camera("yard", names=NAMES)
    board.start()
    sink.write(result(found=detections(PERSON, LIGHT)))
    ears.until(CONFIG, lambda payload: b"yard_count_traffic_light" in payload)
    board.close()
    board = boards()
    board.camera("yard", names={0: "person"})
    board.start()
    ears.until(CONFIG, lambda payload: b'"yard_count_traffic_light": {"p": "sensor"}' in payload)
    assert json.loads(ears.of(CONFIG)[-1])["cmps"]["yard_count_person"]["name"] == "yard person"


def test_a_picture_that_is_larger_than_the_broker_takes(tmp_path: Path) -> None:
    """It is told and left out; sent, it would end the connection, again with each try."""
    narrow, told = Broker(tmp_path, lines="max_packet_size 20000\n"), list[str]()
    ears = Listener(narrow)
    board = MqttBoard(narrow.address, board="orangepi", memory=tmp_path, told=told.append)
    sink = board.camera("yard", names=NAMES, picture_every=0)
    board.start()
    for number in range(4):
        given = result(number, found=detections(*[PERSON] * number), size=(480, 640))
        given.frame[:] = np.random.default_rng(number).integers(0, 255, given.frame.shape)
        sink.write(given)
        ears.until(f"{BASE}/yard/state", counts_are(**{"person": number} if number else {}))
    assert board.state.reconnects == 0 and not ears.of(f"{BASE}/yard/image")
    assert len(told) == 1 and "yard/image has" in told[0] and "takes 20000" in told[0]
    board.close()
    ears.close()
    narrow.stop()


def test_a_camera_that_fails(boards: Boards, ears: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches it says how it does; without, silence is a problem."""
    health = [Health(14.96)]
    board = boards()
    sink = board.camera("yard", names=NAMES, health=lambda: health[0])
    monkeypatch.setattr("yolorknn.stream.sinks.mqtt.camera.SILENT", 0.3)
    board.camera("door", names=NAMES)
    board.start()
    sink.write(result(found=detections(PERSON)))
    assert state(ears.until(f"{BASE}/yard/state", counts_are(person=1)))["fps"] == 15.0
    health[0] = Health(0.0, online=False, problem="no frame for 20 s")
    said = state(ears.until(f"{BASE}/yard/state", lambda payload: state(payload)["problem"]))
    assert (said["detail"], said["counts"], said["objects"]) == ("no frame for 20 s", {}, 0)
    ears.until(f"{BASE}/yard/status", lambda payload: payload == b"offline")
    said = state(ears.until(f"{BASE}/door/state", lambda payload: state(payload)["problem"]))
    assert said["detail"].startswith("no picture for more than")
    health[0] = Health(5.0)
    until(lambda: ears.last(f"{BASE}/yard/status") == b"online")


def test_what_the_caller_gives_and_fails_is_told_and_ends_nothing(boards: Boards, ears: Listener) -> None:
    def broken(_: object = None) -> Any:
        raise ZeroDivisionError("in your function")

    board = boards()
    sink = board.camera("yard", names=NAMES, places=broken)
    board.camera("door", names=NAMES, health=broken)
    good = board.camera("roof", names=NAMES)
    board.start()
    for number in range(10):
        sink.write(result(number, found=tracked(1)))
    good.write(result(found=detections(PERSON)))
    ears.until(f"{BASE}/roof/state", counts_are(person=1))
    until(lambda: len(boards.told) == 2)
    assert sorted(boards.told) == [
        f"{name} over MQTT: ZeroDivisionError: in your function" for name in ("door", "yard")
    ]


def test_a_password_is_needed_and_shown_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "users").write_text("me:pass-word-1\n")
    subprocess.run(["mosquitto_passwd", "-U", str(folder / "users")], check=True, capture_output=True)
    broker = Broker(folder, lines=f"allow_anonymous false\npassword_file {folder / 'users'}\n")
    try:
        told: list[str] = []
        for password, error in (("pass-word-2", "Not authorized"), ("pass-word-1", "")):
            address = replace(broker.address, user="me", password=password)
            board = MqttBoard(address, board="orangepi", memory=tmp_path, told=told.append)
            board.start()
            until(lambda board=board, error=error: board.state.error == error)  # type: ignore[misc]
            board.close()
            assert password not in repr(address) + str(address) + "".join(told)
        assert told == [f"no connection to the broker {broker.address}: Not authorized"]
        assert all("pass-word" not in path.read_text() for path in tmp_path.glob("*.json"))
    finally:
        broker.stop()


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_tls_checks_who_the_broker_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority of one's own is named as everywhere, by SSL_CERT_FILE; a certificate for another name is none."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    broker = Broker(tmp_path, lines=f"certfile {certificate}\nkeyfile {key}\n")
    try:
        for trusted, host, wanted in (
            (False, "localhost", "certificate verify failed"),
            (True, "localhost", ""),
            (True, "127.0.0.1", "certificate verify failed"),
        ):
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate) if trusted else "/etc/ssl/certs/ca-certificates.crt")
            address = replace(broker.address, host=host, tls=True)
            board = MqttBoard(address, board="orangepi", memory=tmp_path, told=lambda _: None)
            board.start()
            until(lambda board=board: board.state.error != "not connected yet")  # type: ignore[misc]
            assert wanted in board.state.error if wanted else board.state.error == ""
            board.close()
    finally:
        broker.stop()


def test_close_does_not_wait_for_a_broker_that_is_away(boards: Boards, broker: Broker) -> None:
    broker.stop()
    board = boards()
    board.camera("yard", names=NAMES)
    board.start()
    until(lambda: "Connection refused" in board.state.error)
    begun = time.monotonic()
    board.close()
    assert time.monotonic() - begun < 5
