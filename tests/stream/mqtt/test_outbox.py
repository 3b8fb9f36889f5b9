"""What waits for the broker, what is remembered of what it has, and who speaks there."""

from __future__ import annotations

import importlib
import pwd
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.fakes.results import NAMES, result
from yolorknn.cli.outputs import Outputs
from yolorknn.cli.sinks import open_sinks
from yolorknn.errors import OutputError
from yolorknn.files import state_folder
from yolorknn.stream.sinks.mqtt import published
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.camera import CameraSink, known_places
from yolorknn.stream.sinks.mqtt.outbox import Message, Outbox
from yolorknn.stream.sinks.mqtt.session import Session
from yolorknn.stream.sinks.mqtt.sink import MqttSink
from yolorknn.stream.sinks.mqtt.topics import Health, Topics
from yolorknn.tasks import lettering
from yolorknn.tasks.task import Wording


def drained(outbox: Outbox) -> list[tuple[str, bytes]]:
    taken = []
    while (message := outbox.take()) is not None:
        taken.append((message.topic, message.payload))
    return taken


def test_of_a_state_the_newest_is_sent_once() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.put_state("a", b"%d" % number)
        outbox.put_state("b", b"same")
    assert drained(outbox) == [("a", b"99"), ("b", b"same")]
    outbox.put_state("b", b"same")
    assert outbox.empty and drained(outbox) == []
    outbox.send_all_again(["b", "absent"])
    assert drained(outbox) == [("b", b"same"), ("a", b"99")]


def test_what_may_not_have_arrived_is_sent_again() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put_event("e", b"%d" % number)
    outbox.put_state("a", b"1")
    taken = [outbox.take() for _ in range(4)]
    assert [message.payload for message in taken if message] == [b"1", b"0", b"1", b"2"]
    outbox.put_event("e", b"3")
    outbox.put_back([message for message in taken if message])
    outbox.send_all_again([])
    assert [payload for _, payload in drained(outbox)] == [b"1", b"0", b"1", b"2", b"3"]


def test_what_was_cleared_stays_cleared_unless_it_is_there_again() -> None:
    outbox = Outbox()
    outbox.put_state("a", b"1")
    drained(outbox)
    outbox.clear("a")
    lost = outbox.take()
    assert lost == Message("a", b"", retain=True)
    outbox.put_back([lost])
    outbox.send_all_again([])
    assert drained(outbox) == [("a", b"")]
    outbox.send_all_again([])
    assert drained(outbox) == []
    outbox.clear("a")
    lost = outbox.take()
    outbox.put_state("a", b"2")
    outbox.put_back([lost] if lost else [])
    assert drained(outbox) == [("a", b"2")]


def test_a_camera_is_offline_until_its_first_result() -> None:
    """What is counted over restarts is known with that: nobody is to hear 0 meanwhile."""
    outbox, topics = Outbox(), Topics("p", "b", "")
    camera = CameraSink(
        topics, outbox, lambda: None,
        camera="yard", title="yard", names=NAMES, zones=(), places=known_places, health=lambda: Health(9.5),
        picture_every=10,
    )  # fmt: skip
    for now, said in enumerate((b"offline", b"online")):
        camera.tick(now, connected=False)
        assert dict(drained(outbox))["p/b/yard/status"] == said
        camera.write(result())


def test_a_camera_of_which_few_frames_are_wanted_is_there_between_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `detect --fps 0.05` has it; else Home Assistant had a problem, and none, three times a minute."""
    pytest.importorskip("paho.mqtt")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    outputs = Outputs(mqtt="mqtt://127.0.0.1:9", save=False, json_file="-")
    camera = Mock(live=True, fps=30.0, files=())
    camera.name = "yard"  # which is Mock's own
    lines, sink = open_sinks(outputs, camera, None, [], Wording(NAMES), fps=0.05)
    lines.close()
    assert isinstance(sink, MqttSink)
    sink.write(result())
    now = time.monotonic()
    for later, problem in ((35, False), (65, True)):
        with monkeypatch.context() as patch:
            patch.setattr("yolorknn.stream.sinks.mqtt.camera.time", Mock(monotonic=lambda later=later: now + later))
            assert bool(sink._camera._own_health().problem) is problem
    sink.close()


def test_marks_of_sessions() -> None:
    """Two runs that throw each other out: one leaves the place while the other comes back, and not when it is gone."""
    old, new = Session(), Session()
    place = old.mark()
    assert not new.is_taken(place), "a new one takes it"
    place = new.mark()
    assert old.is_taken(place) and not new.is_taken(place), "the old one finds it, and leaves"
    place = new.mark()
    assert old.is_taken(place)
    assert not old.is_taken(place), "the new one did not come back"
    assert not old.is_taken(old.mark()) and not old.is_taken(b"")


def test_what_is_remembered(tmp_path: Path) -> None:
    where = Address("broker", 99, tls=True, user="m/e", password="secret", prefix="home/cams")
    kept = published.Published(str(where), where.user, where.prefix, "pi", "homeassistant", ["a"], {"x": "sensor"}, {})
    path = published.path_of(where, "pi", tmp_path)
    assert published.read(path) is None
    published.write(path, kept)
    assert published.read(path) == kept and list(published.every(tmp_path)) == [(path, kept)]
    assert kept.address == Address("broker", 99, tls=True, user="m/e", prefix="home/cams")
    assert "secret" not in path.read_text()
    published.forget(path)
    published.forget(path)
    assert list(published.every(tmp_path)) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"broker": 1}', "\xff", "[" * 100_000,
             '{"broker":"","user":"","prefix":"","board":"","discovery":"","topics":[1]}',
             '{"broker":"","user":"","prefix":"","board":"","discovery":"","components":{"a":null}}']
)  # fmt: skip
def test_a_memory_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "mqtt-1.json").write_text(text, encoding="latin-1")
    assert published.read(tmp_path / "mqtt-1.json") is None and list(published.every(tmp_path)) == []


def test_where_it_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert state_folder() == tmp_path / ".local/state/yolorknn"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/s")
    assert state_folder() == Path("/var/s/yolorknn")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/yolorknn:/other")
    assert state_folder() == Path("/var/lib/yolorknn")


def test_who_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user by number alone, as a container may have: all is imported, and what remembers says what to set."""

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("HOME", "STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    fonts = importlib.reload(lettering).FONTS
    assert Path("/usr/share/fonts") in fonts
    with pytest.raises(OutputError, match="this user has no home to remember things in: set STATE_DIRECTORY"):
        state_folder()
    monkeypatch.undo()
    importlib.reload(lettering)
