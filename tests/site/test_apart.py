"""What a site writes goes into nothing that it reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.site_files import GOOD, mistakes, written
from yolorknn.site.read import read_site


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        ('json = "m.onnx"', ":7: sinks.json: m.onnx is called like a picture, video or model"),
        ('csv = "clips/a.MP4"', ":7: sinks.csv: clips/a.MP4 is called like a picture, video or model"),
        ('csv = "a.jpg"', ":7: sinks.csv: a.jpg is called like a picture, video or model"),
        ('json = "site.toml"', ":7: sinks.json: {}/site.toml is this site file, so no lines go into it: give another"),
        ('json = "new/../site.toml"', ":7: sinks.json: {}/new/../site.toml is this site file"),
        ('json = "to-site"', ":7: sinks.json: {}/to-site is this site file"),
        ('csv = "linked"', ":7: sinks.csv: {}/linked is the file of [models.demo]"),
        ('csv = "m.json"', ":7: sinks.csv: {}/m.json is where [models.demo] may have its metadata"),
        ('json = "clip"', ":7: sinks.json: {}/clip is the source of [cameras.door]"),
        ('json = "door.source"', ":7: sinks.json: {}/door.source is the source of [cameras.door]"),
        ('json = "x"\ncsv = "new/../x"', ":8: sinks.csv: {}/new/../x is the file of sinks.json"),
        ('json = "to-x"\ncsv = "x"', ":8: sinks.csv: {}/x is the file of sinks.json"),
        ('record = "x"\ncsv = "x"', ":8: sinks.csv: {}/x is the folder of sinks.record"),
        ('webhook = "@hook"\njson = "hook"', ":8: sinks.json: {}/hook is a file with a secret"),
    ],
)
def test_a_sink_that_is_something_else(folder: Path, sinks: str, said: str) -> None:
    """By whatever name, whether it is there already or not."""
    (folder / "new").mkdir()
    (folder / "to-x").symlink_to("x")
    (folder / "to-site").symlink_to("site.toml")
    os.link(folder / "m.onnx", folder / "linked")
    (folder / "door.source").write_text("camera0\n")
    (folder / "hook").write_text("http://host/\n")
    (folder / "clip").touch()
    source = "clip" if '"clip"' in sinks else "@door.source"
    told = mistakes(folder, GOOD.replace("camera0", source) + f"[sinks]\n{sinks}")
    assert len(told) == 1 and told[0].startswith(said.format(folder)), told


def test_sinks_of_their_own(folder: Path) -> None:
    """Stdout is no file, and a source that is a pipe is left for what opens it."""
    os.mkfifo(folder / "pipe")
    for sinks in ('json = "-"\ncsv = "x"', 'json = "x.jsonl"\ncsv = "x.csv"\nrecord = "x"'):
        read_site(written(folder, GOOD.replace("camera0", "@pipe") + f"[sinks]\n{sinks}"))
