"""The one message by which Home Assistant knows a board: a device, and its entities."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from yolorknn.stream.sinks.mqtt.topics import CameraTopics, Topics
from yolorknn.text import dumps

Component = dict[str, Any]


def camera_components(topics: Topics, camera: str, title: str) -> dict[str, Component]:
    """Return the entities that every camera has, by key: its picture, how many objects, fps, and whether all is well.

    Args:
        topics: of the board.
        camera: the word for it in topics.
        title: what people call it.
    """
    own = topics.camera(camera)
    entities: dict[str, Component] = {
        "picture": {"p": "camera", "name": title, "topic": own.image},
        "objects": {**_sensor(own, f"{title} objects", "{{ value_json.objects }}"), "icon": "mdi:shape"},
        "fps": {
            **_sensor(own, f"{title} fps", "{{ value_json.fps }}"),
            "unit_of_measurement": "fps",
            "suggested_display_precision": 1,
            "entity_category": "diagnostic",
        },
        "problem": {
            "p": "binary_sensor",
            "name": f"{title} problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": own.state,
            "value_template": "{{ 'ON' if value_json.problem else 'OFF' }}",
            "json_attributes_topic": own.state,
            "json_attributes_template": "{{ {'detail': value_json.detail} | tojson }}",
        },
    }
    return {key: _placed(topics, camera, key, entity) for key, entity in entities.items()}


def count_component(topics: Topics, camera: str, key: str, title: str, path: tuple[str, ...]) -> Component:
    """Return the entity of one number in a camera's state.

    Args:
        topics: of the board.
        camera: the word for it in topics.
        key: of the entity, of that camera.
        title: what people call it.
        path: the keys that lead to the number; what is not there counts as 0.
    """
    template = "value_json" + "".join(f".get({literal(name)}, {{}})" for name in path[:-1])
    template = f"{{{{ {template}.get({literal(path[-1])}, 0) }}}}"
    sensor = {**_sensor(topics.camera(camera), title, template), "icon": "mdi:counter"}
    return _placed(topics, camera, key, sensor)


def discovery_payload(
    topics: Topics, name: str, version: str, components: Mapping[str, Component], removed: Mapping[str, str]
) -> bytes:
    """Return the message.

    Args:
        topics: of the board.
        name: what people call it.
        version: of yolorknn.
        components: entities by key.
        removed: those that were there before, by key: their platform, with which alone Home Assistant removes one.
    """
    message = {
        "dev": {"ids": [topics.board], "name": name, "mf": "yolorknn", "mdl": "object detection", "sw": version},
        "o": {"name": "yolorknn", "sw": version},
        "cmps": {**{key: {"p": platform} for key, platform in removed.items()}, **components},
        "qos": 1,
    }
    return dumps(message).encode("utf-8", "replace")


def installed() -> str:
    """Return the version of yolorknn that runs."""
    try:
        return importlib.metadata.version("yolorknn")
    except importlib.metadata.PackageNotFoundError:  # run from where it lies
        return "unknown"


def component_key(camera: str, key: str) -> str:
    """Return the key of a camera's entity among all of the board."""
    return f"{camera}_{key}"


def literal(text: str) -> str:
    """Return a text as a string of Jinja: whatever is in it, nothing of it is a template."""
    return "'" + text.encode("unicode_escape").decode("ascii").replace("'", "\\'") + "'"


def _sensor(own: CameraTopics, name: str, template: str) -> Component:
    return {
        "p": "sensor",
        "name": name,
        "state_topic": own.state,
        "state_class": "measurement",
        "value_template": template,
    }


def _placed(topics: Topics, camera: str, key: str, entity: Component) -> Component:
    """Add what every entity has; one is unavailable with its board or camera, but a problem is told without one."""
    statuses = [topics.status] if key == "problem" else [topics.status, topics.camera(camera).status]
    return {
        **entity,
        "unique_id": f"{topics.board}_{component_key(camera, key)}",
        "availability": [{"topic": status} for status in statuses],
        "availability_mode": "all",
    }
