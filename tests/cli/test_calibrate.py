from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from yolorknn.data.choose import Chosen
from yolorknn.errors import SourceError


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    chosen = Chosen(Path("dataset"), images=100, seen=930, broken=4, alike=826)
    return replace_function(monkeypatch, "yolorknn.data.choose.choose", chosen)


def test_what_it_passes_on(choose: Recorder) -> None:
    done = run("calibrate", "clip.mp4")
    assert choose.call == {"source": "clip.mp4", "count": 100, "output": Path("dataset"), "progress": BAR}
    assert done.stdout == "dataset/dataset.txt\n"
    assert done.stderr.splitlines() == [
        "100 of 930 frames chosen (4 broken, 826 near-duplicates); look at dataset/contact-sheet.jpg"
    ]


def test_a_password_that_others_see(choose: Recorder) -> None:
    """It is said once, and goes on."""
    said = run("calibrate", "rtsp://me:s3cret@host/live").stderr
    assert said.startswith("ps shows the password in SOURCE to everybody on this machine: ") and "@FILE\n" in said
    assert "s3cret" not in said and said.count("password") == 1
    for source in ("@door.source", "rtsp://me@host/live"):
        assert "password" not in run("calibrate", source).stderr


@pytest.mark.parametrize("long", [False, True])
def test_every_option(choose: Recorder, long: bool) -> None:
    options = ("--count", 7, "--output", "out/set") if long else ("-n", 7, "-o", "out/set")
    assert run("calibrate", "camera0", *options).stdout == "out/set/dataset.txt\n"
    assert choose.call == {"source": "camera0", "count": 7, "output": Path("out/set"), "progress": BAR}


@pytest.mark.parametrize(
    ("ended", "why"), [("", "the source has no more that differ"), ("it broke off", "it broke off")]
)
def test_fewer_than_asked_for(choose: Recorder, ended: str, why: str) -> None:
    choose.answer = Chosen(Path("dataset"), images=99, seen=120, broken=0, alike=21, ended=ended)
    assert run("calibrate", "camera0").stderr.splitlines()[1:] == [f"fewer than the 100 asked for: {why}"]


def test_what_fails_or_is_mistyped(choose: Recorder) -> None:
    assert "Missing argument" in misused("calibrate") and "--count" in misused("calibrate", "x", "-n", 0)
    assert misused("calibrate", "x", "-n", 10001).startswith("Invalid value for '-n' / '--count'")
    assert choose.calls == []
    choose.answer = SourceError("there is no file clip.mp4")
    assert refused("calibrate", "clip.mp4") == "there is no file clip.mp4"
