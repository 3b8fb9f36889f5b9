"""Topics and payloads by themselves, without a broker: what others read, whatever names there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yolorknn.errors import OutputError
from yolorknn.stream.sinks.mqtt import address
from yolorknn.stream.sinks.mqtt.address import Address, machine_number
from yolorknn.stream.sinks.mqtt.discovery import (
    camera_components,
    count_component,
    discovery_payload,
    literal,
)
from yolorknn.stream.sinks.mqtt.topics import Counts, Health, Topics, count, state_payload, word_of, words_of


@pytest.fixture
def no_thread_is_left() -> None:
    """Nothing here begins one, and looking for them takes longer than the tests."""


TOPICS = Topics("yolorknn", "orangepi")
WORD = re.compile(r"[a-zA-Z0-9_-]+")
texts = st.text(max_size=20)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mqtt://broker", Address("broker", 1883)),
        ("mqtts://broker", Address("broker", 8883, tls=True)),
        ("mqtt://me@10.0.0.2:99/home/cams/", Address("10.0.0.2", 99, user="me", prefix="home/cams")),
        ("mqtt://a%40b:p%2Fw%3A@[::1]", Address("::1", 1883, user="a@b", password="p/w:")),
        (" mqtt://me:pw@broker \n", Address("broker", 1883, user="me", password="pw")),
    ],
)
def test_addresses(text: str, wanted: Address) -> None:
    read = Address.read(text)
    assert read == wanted
    assert not read.password or read.password not in repr(read) + str(read)
    assert read.with_password("x").password == (wanted.password or "x")


WRONG = (
    "",
    "broker",
    "http://broker",
    "mqtt://",
    "mqtt:///x",
    "mqtt://b:99999",
    "mqtt://b:x",
    "mqtt://b:0",
    "mqtt://[b",
)


@pytest.mark.parametrize(
    "text", [*WRONG, "mqtt://b/a+b", "mqtt://b/#", "mqtt://b/x?y=1", "mqtt://b/a b", "mqtt://b/%00"]
)
def test_what_is_no_address(text: str) -> None:
    for given_text in (text, text.replace("//b", "//me:secret@b")):
        with pytest.raises(OutputError, match="a broker is given as mqtt://host, with user@ before") as caught:
            Address.read(given_text)
        assert "secret" not in str(caught.value)


def test_who_a_machine_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at each start, another one elsewhere, and the machine-id itself is in no topic."""
    numbers = []
    for text in ("0123456789abcdef0123456789abcdef\n", "1123456789abcdef0123456789abcdef\n", "uninitialized\n", ""):
        (tmp_path / "id").write_text(text)
        monkeypatch.setattr(address, "MACHINE_IDS", (tmp_path / "absent", tmp_path / "id"))
        numbers.append(machine_number())
        assert machine_number() == numbers[-1] and WORD.fullmatch(numbers[-1])
        assert len(text) < 30 or not any(text[at : at + 8] in numbers[-1] for at in range(24))
    assert len(set(numbers)) == 3 and numbers[2] == numbers[3], "without one it is of the host's name"


def test_copies_of_one_card_are_boards_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a container that has no machine-id, whose host's name is another each time, is its board."""
    monkeypatch.setattr(address, "MACHINE_IDS", (tmp_path / "id",))
    monkeypatch.setattr(address, "SERIAL", tmp_path / "serial")
    numbers = []
    for card in ("0123456789abcdef0123456789abcdef\n", ""):
        for serial in ("9f2c61a1d3b87e05\0", "9f2c61a1d3b87e06\0"):
            (tmp_path / "id").write_text(card)
            (tmp_path / "serial").write_text(serial)
            monkeypatch.setattr(address, "machine_name", lambda: "0c1d2e3f4a5b")
            numbers.append(machine_number())
            monkeypatch.setattr(address, "machine_name", lambda: "5b4a3f2e1d0c")
            assert machine_number() == numbers[-1]
    assert len(set(numbers)) == 4 and not any("9f2c61a1" in number for number in numbers)


@given(st.lists(texts, max_size=12))
@settings(max_examples=60, deadline=None)
def test_words_are_legal_and_no_two_the_same(names: list[str]) -> None:
    words = words_of(names)
    assert len(set(words.values())) == len(words) == len(set(names))
    assert all(WORD.fullmatch(word) for word in words.values())
    assert words_of(names) == words
    assert words_of(["a b", "a_b", "A B"]) == {"a b": "a_b", "a_b": "a_b_2", "A B": "a_b_3"}


@given(texts)
@settings(max_examples=100, deadline=None)
def test_a_name_in_a_template_is_no_template(name: str) -> None:
    """Jinja itself, as Home Assistant has it, reads the string that was meant: also '}}' and quotes."""
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment()
    found = environment.from_string("{% set it = " + literal(name) + " %}{{ it | tojson }}").render()
    assert json.loads(found.replace("\\u0027", "'")) == name.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@given(st.dictionaries(texts, st.integers(1, 9), max_size=4), st.dictionaries(texts, texts, max_size=3), texts, texts)
@settings(max_examples=40, deadline=None)
def test_home_assistant_finds_the_numbers(counts: dict[str, int], zones: dict[str, str], name: str, zone: str) -> None:
    """The templates in discovery, rendered by Jinja on the payload, give what was counted; 0 for what is not there."""
    jinja2 = pytest.importorskip("jinja2")
    within = {place: {one: 1} for place, one in zones.items()}
    payload = json.loads(state_payload(Counts(counts, within), Health(3.14159), None))

    def shown(template: str) -> str:
        return str(jinja2.Environment().from_string(template).render(value_json=payload))

    for path, wanted in (
        (("counts", name), counts.get(name, 0)),
        (("zones", zone, name), within.get(zone, {}).get(name, 0)),
    ):
        component = count_component(TOPICS, "yard", "count_x", "a title", path)
        assert shown(component["value_template"]) == str(wanted)
    fixed = camera_components(TOPICS, "yard", "the yard")
    assert shown(fixed["objects"]["value_template"]) == str(sum(counts.values()))
    assert shown(fixed["fps"]["value_template"]) == "3.1" and shown(fixed["problem"]["value_template"]) == "OFF"


def test_the_discovery_message_is_what_home_assistant_asks_for() -> None:
    """Its documentation of device discovery: dev and o, cmps with platform and unique_id each, ids of few letters."""
    components = {f"yard_{key}": one for key, one in camera_components(TOPICS, "yard", "the yard").items()}
    components["yard_count_person"] = count_component(TOPICS, "yard", "count_person", "x", ("counts", "person"))
    message = json.loads(discovery_payload(TOPICS, "My board", "1.2", components, {"door_fps": "sensor"}))
    assert TOPICS.config == "homeassistant/device/orangepi/config" and TOPICS.birth == "homeassistant/status"
    assert set(message) == {"dev", "o", "cmps", "qos"} and message["o"] == {"name": "yolorknn", "sw": "1.2"}
    assert message["dev"]["ids"] == ["orangepi"] and message["dev"]["name"] == "My board"
    assert message["cmps"].pop("door_fps") == {"p": "sensor"}, "which removes it"
    identities = [one["unique_id"] for one in message["cmps"].values()]
    assert len(set(identities)) == len(identities) == 5
    for key, one in message["cmps"].items():
        assert (
            one["p"] in ("camera", "sensor", "binary_sensor")
            and WORD.fullmatch(key)
            and WORD.fullmatch(one["unique_id"])
        )
        assert one["availability"][0] == {"topic": "yolorknn/orangepi/status"} and one["availability_mode"] == "all"
        assert len(one["availability"]) == (1 if key == "yard_problem" else 2)
        assert ("topic" if one["p"] == "camera" else "state_topic") in one
    assert message["cmps"]["yard_picture"]["topic"] == "yolorknn/orangepi/yard/image"
    assert message["cmps"]["yard_problem"]["device_class"] == "problem"


def test_without_discovery_there_is_no_topic_for_it() -> None:
    topics = Topics("a", "b", "")
    assert topics.config == topics.birth == ""


def test_counting() -> None:
    counted = count(["person", "bus", "person"], [["door"], [], ["door", "street"]], ["door", "empty"])
    assert dict(counted.classes) == {"person": 2, "bus": 1}
    assert {zone: dict(within) for zone, within in counted.zones.items()} == {
        "door": {"person": 2}, "empty": {}, "street": {"person": 1},
    }  # fmt: skip


def test_a_name_with_anything_in_it_stays_one_payload() -> None:
    payload = state_payload(Counts({'a"\n\x1b\ud800': 1}, {}), Health(1, problem="a\nb"), 1.0)
    assert b"\n" not in payload and b"\x1b" not in payload and list(json.loads(payload)["counts"].values()) == [1]
    assert word_of("") == word_of("日本") == "unnamed"
