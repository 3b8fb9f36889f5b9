"""The JSON schema says what the checker says, of any file: an independent validator is the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yolorknn.site.check import Checker
from yolorknn.site.schema import schema
from yolorknn.site.tables import Site

jsonschema: Any = pytest.importorskip("jsonschema")
VALIDATOR = jsonschema.Draft202012Validator(schema())

WORDS = st.sampled_from(["a", "a b", "", "text", "json", "rle", "auto", "homeassistant", "yolorknn", "m.onnx", "x/+"])
NUMBERS = st.sampled_from([-1, 0, 0.0, 0.5, 1, 2, 300, 640, 65536, 1e7, 3.0, 2.5, True, False])
VALUES = st.one_of(
    WORDS, NUMBERS, st.lists(st.one_of(NUMBERS, WORDS), max_size=3), st.dictionaries(WORDS, NUMBERS, max_size=1)
)
WHOLE: dict[str, Any] = {
    "models": {"demo": {
        "file": "m.onnx", "conf": 0.3, "iou": 0.5, "classes": [0, "person"], "max_det": 5, "agnostic_nms": True,
        "tile": 64, "overlap": 0.1, "names": "m.onnx", "anchors": "yolov5", "runtime": "c", "contexts": 2,
    }},
    "cameras": {"door": {
        "source": "camera0", "model": "demo", "weight": 2, "fps": 5, "size": [640, 480], "silence": 3,
    }},
    "zones": {"porch": {
        "camera": "door", "polygon": [[0, 0], [1, 0], [1, 0.5]], "classes": [1], "anchor": "top", "enter_after": 1,
        "leave_after": 0,
    }},
    "lines": {"gate": {
        "camera": "door", "start": [0, 0.5], "end": [1, 0.5], "classes": ["a"], "anchor": "left", "settle": 0,
    }},
    "track": {"lost": 3},
    "sinks": {
        "json": "-", "csv": "a.csv", "rotate": "1d", "keep": 3, "record": "r", "snapshots": "s", "crops": "c",
        "every": 1, "quota": "1G", "webhook": "https://a/", "webhook_secret_file": "m.onnx", "masks": "polygons",
    },
    "mqtt": {
        "host": "broker", "port": 1883, "tls": True, "user": "me", "password_file": "m.onnx", "prefix": "p",
        "board": "b", "discovery": "", "picture_every": 5,
    },
    "page": {"port": 8080, "host": "localhost", "token_file": "m.onnx"},
    "log": {"format": "json", "level": "error"},
}  # fmt: skip
WRITTEN = ("json", "csv", "record", "snapshots", "crops")
READ = (*WRITTEN, "quota", "rotate", "file", "names", "webhook_secret_file", "password_file", "token_file")
"""What only the checker looks into: what a text means, whether a file is there, and how what is written is called."""


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    json.dumps(schema(), allow_nan=False)
    VALIDATOR.validate(WHOLE)


def test_the_whole_has_every_key() -> None:
    """So that each is changed below."""
    properties = schema()["properties"]
    assert set(WHOLE) == set(properties)
    for name, table in WHOLE.items():
        own = properties[name].get("additionalProperties") or properties[name]
        entry = next(iter(table.values())) if name in ("models", "cameras", "zones", "lines") else table
        assert set(entry) == set(own["properties"]), name


PLACES = [(name,) for name in WHOLE] + [
    (name, key, *more)
    for name, table in WHOLE.items()
    for key, entry in table.items()
    for more in ([()] if not isinstance(entry, dict) else [(), *((inner,) for inner in entry)])
]


@given(st.sampled_from(PLACES), st.sampled_from(["value", "other", "gone"]), VALUES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_schema_and_checker_agree(tmp_path: Path, place: tuple[str, ...], how: str, value: Any) -> None:
    (tmp_path / "m.onnx").touch()
    (tmp_path / "a").touch()
    changed = json.loads(json.dumps(WHOLE))
    table = changed
    for name in place[:-1]:
        table = table[name]
    if how == "gone":
        del table[place[-1]]
    elif how == "other":
        table["other"] = value
    elif not (place[-1] in READ and isinstance(value, str)):
        table[place[-1]] = value
    checker = Checker(tmp_path)
    checker.table(Site, changed, ())
    missing = [name for name in ("models", "cameras") if not changed.get(name)]  # which is said of the site as a whole
    faults = [fault.message for fault in VALIDATOR.iter_errors(changed)]
    assert bool(checker.mistakes or missing) == bool(faults), (place, value, checker.mistakes, faults)
