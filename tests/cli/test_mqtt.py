"""`detect --mqtt` and `yolorknn mqtt`, at a real broker; and that no password is where others can read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.test_sinks import Camera
from tests.fakes.backends import NUMBERS, number_detector
from tests.fakes.commands import misused, refused, replace_function, run
from tests.fakes.mosquitto import Broker, Listener, needs_mosquitto, retained
from yolorknn.cli.app import app
from yolorknn.errors import MissingDependencyError
from yolorknn.stream.sinks.mqtt import client
from yolorknn.stream.sinks.mqtt.address import machine_number


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A camera and a detector of numbers, a memory of one's own, no password."""
    made = number_detector(tmp_path, cores=2)
    monkeypatch.setattr("yolorknn.stream.sources.open_live.open_live", lambda *_, **__: Camera(25, pause=0.02))
    replace_function(monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", made)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("YOLORKNN_MQTT_PASSWORD", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    made.close()


WORDS = ("detect", "camera0", "-m", "m.rknn", "--no-save", "--json", "d.jsonl")


@needs_mosquitto
def test_detect_says_over_mqtt(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    ears = Listener(broker)
    try:
        done = run(*WORDS, "--mqtt", f"mqtt://127.0.0.1:{broker.port}/home", "--board", "pi")
        assert "connection" not in done.stderr
        kept = retained(broker)
        assert kept["home/pi/status"] == kept["home/pi/camera0/status"] == b"offline"
        said = [json.loads(payload) for payload in ears.of("home/pi/camera0/state")]
        assert any(sum(one["counts"].values()) == 1 for one in said)
        assert {name for one in said for name in one["counts"]} <= set(NUMBERS.names)
        assert json.loads(kept["homeassistant/device/pi/config"])["dev"]["ids"] == ["pi"]
        listed = run("mqtt").stdout.splitlines()
        assert listed[0].startswith(f"pi at mqtt://127.0.0.1:{broker.port}: ") and "  home/pi/status" in listed
        assert run("mqtt", "--clean", "--board", "other").stderr == (
            "this user published nothing over MQTT from this machine\n"
        )
        assert run("mqtt", "--clean").stderr == f"6 topics of pi removed from mqtt://127.0.0.1:{broker.port}\n"
        assert retained(broker) == {} and run("mqtt").stdout == ""
        done = run("mqtt", f"mqtt://127.0.0.1:{broker.port}", "--clean")
        assert done.stderr.endswith(f"0 topics of {machine_number()} removed from mqtt://127.0.0.1:{broker.port}\n")
    finally:
        ears.close()
        broker.stop()


@needs_mosquitto
def test_a_broker_that_is_away_ends_no_detection(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    broker = Broker(tmp_path / "broker")
    broker.stop()
    url = f"mqtt://127.0.0.1:{broker.port}"
    done = run(*WORDS, "--mqtt", url)
    assert f"no connection to the broker {url}: Connection refused" in done.stderr
    assert len(Path("d.jsonl").read_text().splitlines()) > 10
    assert refused("mqtt", url, "--clean") == f"no connection to the broker {url}: Connection refused"


def test_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One on the command line is refused; a file's and the environment's reach the broker, and no message."""
    why = "a password here is shown by ps: set YOLORKNN_MQTT_PASSWORD, or give @FILE that holds the URL"
    assert misused(*WORDS, "--mqtt", "mqtt://me:pw@h") == f"Invalid value for --mqtt: {why}"
    assert misused("mqtt", "mqtt://me:pw@h") == f"Invalid value for BROKER: {why}"
    seen: list[tuple[str, str]] = []

    class Refusing(client.Client):
        def connect(self) -> None:
            seen.append((self._address.user, self._address.password))
            raise client.Lost("Not authorized")

    monkeypatch.setattr("yolorknn.stream.sinks.mqtt.clean.Client", Refusing)
    pytest.importorskip("paho.mqtt")
    (tmp_path / "url").write_text("mqtt://me:from-file@127.0.0.1\n")
    said = refused("mqtt", "@url", "--clean")
    monkeypatch.setenv("YOLORKNN_MQTT_PASSWORD", "from-env")
    said += refused("mqtt", "mqtt://me@127.0.0.1", "--clean")
    assert seen == [("me", "from-file"), ("me", "from-env")] and "from-" not in said


def test_what_is_mistyped() -> None:
    for words in ((*WORDS, "--mqtt", "broker"), ("mqtt", "http://broker")):
        assert refused(*words).startswith("a broker is given as mqtt://host")
    assert misused("mqtt", "--force") == "Invalid value for --force: needs --clean"
    assert refused(*WORDS, "--mqtt", "mqtt://h", "--board", "a/b").startswith("'a/b' is no name of a board for MQTT")


def test_an_older_paho_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12 has 1.6, whose callbacks are others."""
    mqtt = pytest.importorskip("paho.mqtt.client")
    monkeypatch.delattr(mqtt, "CallbackAPIVersion")
    done = CliRunner().invoke(app, [*WORDS, "--mqtt", "mqtt://127.0.0.1"])
    assert isinstance(done.exception, MissingDependencyError)
    assert str(done.exception).startswith("MQTT needs paho-mqtt 2, which is not installed: ")


def test_without_paho(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paho.mqtt.client", None)
    done = CliRunner().invoke(app, [*WORDS, "--mqtt", "mqtt://127.0.0.1"])
    assert isinstance(done.exception, MissingDependencyError)
    assert str(done.exception) == (
        "MQTT needs paho-mqtt, which is not installed: in a checkout of yolorknn, pip install '.[live]'"
    )
