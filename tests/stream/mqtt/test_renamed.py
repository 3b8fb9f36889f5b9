"""What of a broker's entities and topics is of another zone or camera now; no broker is needed for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.results import NAMES, detections, result
from yolorknn.stream.result import Result
from yolorknn.stream.scene import Scene
from yolorknn.stream.sinks.mqtt import published
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.board import MqttBoard
from yolorknn.stream.sinks.mqtt.camera import CameraSink, known_places
from yolorknn.stream.sinks.mqtt.outbox import Outbox
from yolorknn.stream.sinks.mqtt.topics import Health, Topics

PERSON = ((0, 0, 10, 10), 0.9, 0)
NOBODY = Address("127.0.0.1", 9)


def sink(**given: Any) -> CameraSink:
    options: dict[str, Any] = {"names": NAMES, "zones": (), "places": known_places, "health": lambda: Health(9.5)}
    place: dict[str, Any] = {"camera": "yard", "title": "yard", "picture_every": 10}
    return CameraSink(Topics("p", "b", ""), Outbox(), lambda: None, **place, **{**options, **given})


def seen(*zones: str) -> Result[Any]:
    found = detections(PERSON)
    return result(found=found).with_scene(found, Scene(zones={zone: {"person": 1} for zone in zones}))


def told(camera: CameraSink, *zones: str) -> dict[str, str]:
    """Write a result with a person in each zone; return what entities of zones read, by key."""
    camera.write(seen(*zones))
    camera.tick(0.0, connected=False)
    return {
        key.removeprefix("yard_zone_"): value["value_template"]
        for key, value in camera.components.items()
        if key.startswith("yard_zone_")
    }


def test_zones_in_letters_that_no_topic_has_are_told_apart_when_one_of_them_goes() -> None:
    """The entity of the one that stays has the name of the one that went, and counted that."""
    camera = sink()
    assert set(told(camera, "门", "窗")) == {"unnamed_person", "unnamed_2_person"}
    left = told(camera, "窗")
    assert set(left) == {"unnamed_person"} and r"\u7a97" in left["unnamed_person"]


def test_a_zone_and_class_that_make_the_same_word_as_others_have_an_entity_too() -> None:
    camera = sink(names={0: "person", 1: "red person"})
    both = detections(PERSON, ((5, 5, 20, 20), 0.8, 1))
    scene = Scene(zones={"yard": {"red person": 1}, "yard red": {"person": 1}})
    camera.write(result(found=both).with_scene(both, scene))
    camera.tick(0.0, connected=False)
    zones = [value["value_template"] for key, value in camera.components.items() if key.startswith("yard_zone_")]
    assert len(zones) == 2 and len(set(zones)) == 2


def test_a_camera_that_went_while_the_broker_was_away_is_remembered_until_that_knows(tmp_path: Path) -> None:
    """Whatever else changes meanwhile: or its picture stays there for ever, where this run ends before it is back."""
    pytest.importorskip("paho.mqtt")
    board = MqttBoard(NOBODY, board="pi", memory=tmp_path, told=lambda _: None)
    yard, door = (board.camera(name, names=NAMES) for name in ("yard", "door"))
    board.start()
    board.remove(yard)
    board._tick()
    door.write(result(found=detections(PERSON)))  # a class that is new
    board._tick()
    board.close(patience=1)
    remembered = published.read(published.path_of(NOBODY, "pi", tmp_path))
    assert remembered is not None and "yolorknn/pi/yard/image" in remembered.topics
    assert "door_count_person" in remembered.components
