"""A board may answer anything: each answer of another form than asked for is a DeployError, soon."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.mutations import like
from yolorknn.deploy.deploy import _detect
from yolorknn.deploy.install import Installed, install
from yolorknn.deploy.placed import doctor_there
from yolorknn.deploy.probe import Board, probe
from yolorknn.deploy.service import install_service, source_file, unit
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.supply import Supply
from yolorknn.errors import DeployError
from yolorknn.tasks.classify import Classify
from yolorknn.tasks.detect import Detect
from yolorknn.tasks.obb import Obb
from yolorknn.tasks.pose import Pose
from yolorknn.tasks.segment import Segment

FACTS = {
    "command": "/usr/bin/python3", "python": [3, 11], "machine": "aarch64", "bits": 64, "libc": ["glibc", "2.36"],
    "venv": True, "home": "/home/rock", "user": "rock", "root": False, "groups": ["video"],
}  # fmt: skip
BOARD = Board("/usr/bin/python3", python=(3, 11), glibc=36, home="/home/rock", user="rock", root=False, groups=())
FINDINGS = [{"check": "chip", "status": "ok", "text": "rk3588", "fix": ""}]
ROW = {"detections": [{"class_id": 0, "name": "a", "confidence": 0.5, "xyxy": [1, 2, 3, 4]}]}
CLASSES = {
    "classes": [{"class_id": 1, "name": "b", "confidence": 0.75}, {"class_id": 0, "name": "a", "confidence": 0.25}]
}
BOX = ROW["detections"][0]
POSE = {"detections": [{**BOX, "keypoints": {"nose": [1.5, 2.5, 0.75], "hand": [3, 4, 0.5]}}]}
TURNED = {"detections": [{**BOX, "xyxyxyxy": [[1, 2], [3, 2], [3, 4], [1, 4]]}]}
MASKED = {"detections": [{**BOX, "mask": {"size": [4, 4], "polygons": [[0, 0, 2, 0, 2, 2]]}}]}
INSTALLED = Installed("/home/rock/yolorknn", "m.rknn")
HOSTILE = ["a\nExecStartPre=/bin/evil", "a\x1b[31m", "$(evil)", "'; evil"]


class Supplied(Supply):
    """A wheel by its name."""

    def wheel(self, board: Board) -> Path:
        return Path("yolorknn-1-py3-none-any.whl")

    def wheels(self, board: Board) -> list[Path]:
        return [self.wheel(board)]


class Answering(Remote):
    """A connection to a board that always says the same."""

    def __init__(self, stdout: str, status: int = 0) -> None:
        super().__init__("board")
        self.said = Done(status, stdout, "")
        self.ran: list[tuple[str, ...]] = []
        self.sent: dict[str, Any] = {}

    def run(self, *words: str, folder: str | None = None, show: str | None = None) -> Done:
        self.ran.append(words)
        return self.said

    def send(self, files: Any, folder: str) -> None:
        self.sent.update(files)


ASKED: dict[str, tuple[Any, Callable[[Answering], object]]] = {
    "probe": (FACTS, lambda board: probe(board, "python3")),
    "state": (
        [[3, 11], True, "1"],
        lambda board: install(board, BOARD, "/f", Supplied()),
    ),
    "doctor": (FINDINGS, lambda board: doctor_there(board, INSTALLED)),
    "detect": (ROW, lambda board: _detect(board, INSTALLED, Detect(), 1)),
    "classify": (CLASSES, lambda board: _detect(board, INSTALLED, Classify(), 1)),
    "pose": (POSE, lambda board: _detect(board, INSTALLED, Pose(), 1)),
    "obb": (TURNED, lambda board: _detect(board, INSTALLED, Obb(), 1)),
    "segment": (MASKED, lambda board: _detect(board, INSTALLED, Segment(), 1)),
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_answers_asked_for(asked: str) -> None:
    answer, ask = ASKED[asked]
    ask(Answering(json.dumps(answer, indent=1 if asked == "doctor" else None)))


@pytest.mark.parametrize("asked", ASKED)
@given(data=st.data())
@settings(max_examples=40, deadline=1000)
def test_other_answers(asked: str, data: st.DataObject) -> None:
    answer, ask = ASKED[asked]
    text = data.draw(st.text(max_size=50) | like(answer).map(lambda value: json.dumps(value, indent=1)))
    try:
        ask(Answering(text if asked == "doctor" else text.replace("\n", "")))
    except DeployError as exc:
        assert "\n" not in str(exc)


@pytest.mark.parametrize("asked", ["detect", "classify", "pose", "obb", "segment"])
def test_a_number_beyond_float32_is_refused_without_a_warning(asked: str) -> None:
    answer, ask = ASKED[asked]
    text = re.sub(r'("confidence": )[0-9.]+', r"\g<1>1e308", json.dumps(answer))
    assert "1e308" in text
    with pytest.raises(DeployError):
        ask(Answering(text))


@pytest.mark.parametrize("asked", ASKED)
def test_deep_and_huge_answers(asked: str) -> None:
    for text in (
        "[" * 100_000,
        "{" + '"a":{' * 50_000,
        "9" * 10_000,
        '{"python": [3, 11' + "9" * 5000 + "]}",
        "[\n" * 9000,
    ):
        with pytest.raises(DeployError):
            ASKED[asked][1](Answering(text))


@pytest.mark.parametrize(("asked", "number"), [("pose", "1.5"), ("pose", "0.75"), ("obb", "[[1"), ("detect", "[1,")])
def test_what_is_no_number(asked: str, number: str) -> None:
    answer, ask = ASKED[asked]
    text = json.dumps(answer)
    assert number in text
    for odd in ("NaN", "1e999"):
        with pytest.raises(DeployError, match="nonsense"):
            ask(Answering(text.replace(number, re.sub(r"[0-9.]+", odd, number))))


@pytest.mark.parametrize("text", HOSTILE[:2])
@pytest.mark.parametrize("field", ["command", "home", "user", "groups", "machine"])
def test_nothing_of_a_board_ends_a_line(field: str, text: str) -> None:
    value = [text] if field == "groups" else f"/{text}" if field in ("command", "home") else text
    with pytest.raises(DeployError, match="nonsense"):
        probe(Answering(json.dumps({**FACTS, field: value})), "python3")


@given(st.text(min_size=1, max_size=30))
@example("a\nExecStartPre=/bin/evil")
@settings(max_examples=50)
def test_a_unit_has_the_lines_it_has(text: str) -> None:
    plain = unit("camera0", "m.rknn", folder="/f", user="rock", groups=("video",))
    for given_ in ({"source": text}, {"model": text}, {"folder": f"/{text}"}):
        values = {"source": "camera0", "model": "m.rknn", "folder": "/f", **given_}
        try:
            made = unit(values["source"], values["model"], folder=values["folder"], user="rock", groups=("video",))
        except DeployError as exc:
            assert "\n" not in str(exc)
        else:
            keys = [line.partition("=")[0] for line in made.splitlines()]
            assert keys == [line.partition("=")[0] for line in plain.splitlines()]


def test_a_password_stands_in_a_file_of_its_own() -> None:
    """Not in the unit, which all may read, nor on the command line, which `ps` shows, nor in what is told."""
    source = "rtsp://me:s3cret/@cam:554/live?token=s3cret"
    board = Answering("")
    said = install_service(board, BOARD, INSTALLED, source)
    name = "yolorknn-cam-live"
    assert (
        board.sent.keys() == {f"{name}.service", f"{name}.source", f"{name}.toml"}
        and source_file(source) == f"{name}.source"
    )
    assert board.sent[f"{name}.source"] == f"{source}\n".encode()
    assert f"watch {name}.toml" in board.sent[f"{name}.service"].decode()
    assert f'source = "@{name}.source"' in board.sent[f"{name}.toml"].decode()
    assert "s3cret" not in repr([said, board.ran, board.sent[f"{name}.service"], board.sent[f"{name}.toml"]])
