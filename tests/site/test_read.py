"""Site files: what they say, and every mistake in one with its line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX, needs_torch
from tests.fakes.site_files import GOOD, mistakes, written
from yolorknn.errors import SiteError
from yolorknn.site.read import read_site
from yolorknn.site.tables import changes


def test_a_secret_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may be root's, who may read all."""
    may, secret = os.access, folder / "pw"
    secret.write_text("s3cret")
    monkeypatch.setattr(os, "access", lambda path, mode: path != secret and may(path, mode))
    told = mistakes(folder, GOOD + '[mqtt]\nhost = "a"\nuser = "b"\npassword_file = "pw"')
    assert told == [f":9: mqtt.password_file: {secret} may not be read by this user"]


def test_a_good_one(folder: Path) -> None:
    """Paths are the file's; what is left out has its default; sources are as `detect` takes them."""
    (folder / "door.source").write_text("rtsp://me:s3cret@cam/live\n")
    (folder / "clips").mkdir()
    (folder / "clips/a.mp4").write_bytes(b"")
    more = """
[cameras.gate]
source = "@door.source"
fps = 5
size = [640, 480]
[cameras.old]
source = "clips/a.mp4"
[cameras.net]
source = "rtsp://cam/live"
[sinks]
json = "-"
csv = "out/found.csv"
"""
    site = read_site(written(folder, GOOD + more))
    assert site.models["demo"].file == folder / "m.onnx" and site.models["demo"].conf == 0.25
    sources = {name: camera.source for name, camera in site.cameras.items()}
    assert sources == {
        "door": "camera0", "gate": f"@{folder}/door.source", "old": f"{folder}/clips/a.mp4", "net": "rtsp://cam/live",
    }  # fmt: skip
    assert site.cameras["gate"].size == (640, 480) and site.cameras["gate"].fps == 5.0
    assert (site.sinks.json, site.sinks.csv) == (Path("-"), folder / "out/found.csv")
    assert site.mqtt is None and site.log.format == "text" and site.model_of("gate") == "demo"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("source", "sorce"), ":4: cameras.door: source is missing: camera0,"),
        (GOOD.replace("source", "sorce"), ":5: cameras.door.sorce: there is no such key; did you mean source?"),
        (GOOD + "fps = true", ":6: cameras.door.fps: must be a number, not true"),
        (GOOD + "fps = 0", ":6: cameras.door.fps: must be above 0, not 0"),
        (GOOD + "weight = 1000000.1", ":6: cameras.door.weight: must be 1000000 or less, not 1000000.1"),
        (GOOD + "fps = nan", ":6: cameras.door.fps: must be a number, not nan"),
        (GOOD + "size = [640, 48.5]", ":6: cameras.door.size: must be a whole number, not 48.5"),
        (GOOD + "size = [640]", ":6: cameras.door.size: must be a list of 2, not a list of 1"),
        (GOOD + 'model = "dmo"', ":6: cameras.door.model: there is no [models.dmo]; did you mean demo?"),
        (GOOD + "[cameras.a]\n[sink]", ":7: sink: there is no such key; did you mean sinks?"),
        (GOOD + '[cameras."a b"]\nsource = "x"', ":6: cameras.a b: a name has letters (a to z)"),
        (GOOD + '[models.b]\nfile = "m.onnx"', ":4: cameras.door: model is missing: it is one of demo, b"),
        (GOOD + 'model = "demo"\n[models.b]\nfile = "m.onnx"', ":7: models.b: no camera is for this model"),
        (GOOD + '[sinks]\nrecord = "a.mp4"', ":7: sinks.record: 'a.mp4' is called like a file: give a folder"),
        (GOOD + '[sinks]\nquota = "10X"', ":7: sinks.quota: '10X' is not a size: give it as 500M or 10G"),
        (GOOD + '[sinks]\nmasks = "rel"', ':7: sinks.masks: must be "rle" or "polygons", not "rel"; did you mean rle?'),
        (GOOD + '[mqtt]\nhost = "a b"', ':7: mqtt.host: cannot be "a b": name or address of the broker'),
        (GOOD + '[mqtt]\nhost = "a"\npassword_file = "m.onnx"', ":6: mqtt: user is missing"),
        (GOOD + '[mqtt]\nhost = "a"\nuser="b"\npassword_file = "pw"', ":9: mqtt.password_file: there is no file"),
        (GOOD + "[log]\nlevel = 3", ':7: log.level: must be "info" or "warning" or "error", not 3'),
        (GOOD.replace("camera0", "@none"), ":5: cameras.door.source: there is no file"),
        (GOOD.replace("m.onnx", "n.onnx"), ":3: models.demo.file: there is no file"),
        (GOOD.replace("[models.demo]\nfile", "models"), ":2: models: must be a table of tables, as [models.NAME]"),
        (GOOD + "log = 1 2", ":6: this is no TOML:"),
        (GOOD + "[zones.a]\npolygon = [[0, 0]]", ":6: zones.a: camera is missing: whose picture it is in"),
        (
            GOOD + '[zones.a]\ncamera = "dor"\npolygon = [[0, 0], [1, 0], [1, 1]]',
            ":7: zones.a.camera: there is no [cam",
        ),
        (GOOD + '[zones.a]\ncamera = "door"\npolygon = [[0, 0], [1, 0]]', ":6: zones.a: zone 'a' has 2 corners"),
        (GOOD + '[zones.a]\ncamera = "door"\npolygon = [[0, 0], [9, 0]]', ":8: zones.a.polygon: must be 1 or less"),
        (GOOD + '[lines.a]\ncamera = "door"\nstart = [0, 0]\nend = [0, 1]', ":6: lines.a: needs [track]: which object"),
        (
            GOOD + '[track]\n[lines.a]\ncamera = "door"\nstart = [0, 0]\nend = [0, 0]',
            ":7: lines.a: line 'a' has no len",
        ),
        (GOOD.replace("m.onnx", "/etc/passwd"), ":3: models.demo.file: /etc/passwd has suffix '': a model is an .onnx"),
        (GOOD.replace("m.onnx", "a.pt"), ":3: models.demo.file: {folder}/a.pt is a training checkpoint"),
        (GOOD.replace("m.onnx", "cut.onnx"), ":3: models.demo.file: {folder}/cut.onnx is empty, truncated or not ONNX"),
        (GOOD.replace("m.onnx", "cut.rknn"), ":3: models.demo.file: {folder}/cut.rknn"),
        (
            GOOD.replace("camera0", "nope.mp4"),
            ":5: cameras.door.source: there is no file {folder}/nope.mp4: give camera0",
        ),
        (
            GOOD.replace("camera0", "a.pt") + "fps = 5",
            ":6: cameras.door.fps: is for a camera or stream: of a file every",
        ),
        (GOOD.replace("camera0", ""), ":5: cameras.door.source: is empty: give camera0"),
        (
            GOOD.replace("camera0", "rtps://me:pw@cam/"),
            ":5: cameras.door.source: nothing reads rtps://; did you mean rtsp?",
        ),
        (
            GOOD.replace("camera0", "@ftp").replace("ftp", "empty"),
            ":5: cameras.door.source: {folder}/empty holds no source",
        ),
        (GOOD.replace("camera0", "@held"), ":5: cameras.door.source: @{folder}/held holds no camera or stream: name a"),
        (GOOD + '[sinks]\nwebhook = "ftp://x/y"', ":7: sinks.webhook: a webhook needs a URL as https://server/path"),
        (GOOD + '[sinks]\nwebhook = "@ftp"', ":7: sinks.webhook: a webhook needs a URL as https://server/path"),
        (GOOD + '[page]\nport = 80\ntoken_file = "short"', ":8: page.token_file: a token for the page is 16 char"),
        (GOOD + '[sinks]\nrecord = "a"\ncrops = "b/../a"', ":8: sinks.crops: is the folder that sinks.record has"),
        (
            GOOD + '[cameras."c.d"]\nsource = "camera1"\n[cameras.c_d]\nsource = "camera2"\n[mqtt]\nhost = "a"',
            ":8: cameras.c_d: in MQTT topics this is c_d, as [cameras.c.d] is: give one of them another name",
        ),
        ("", ": there is no [models.NAME], and at least one is needed"),
        ("", ": there is no [cameras.NAME], and at least one is needed"),
    ],
)
def test_a_mistake_and_its_line(folder: Path, text: str, said: str) -> None:
    (folder / "a.pt").write_bytes(b"PK")
    (folder / "cut.onnx").write_bytes(DEMO_ONNX.read_bytes()[: 1 << 20])
    (folder / "cut.rknn").write_bytes(b"RKNN")
    (folder / "short").write_text("s3cret\n")
    (folder / "ftp").write_text("ftp://s3cret/\n")
    (folder / "empty").write_text("\n")
    (folder / "held").write_text("me:s3cret@cam/clip.mp4\n")
    said = said.format(folder=folder)
    assert any(mistake.startswith(said) for mistake in mistakes(folder, text)), mistakes(folder, text)
    assert "s3cret" not in "".join(mistakes(folder, text))


@needs_torch
def test_a_class_that_the_model_has_not(folder: Path) -> None:
    """Of a model, a zone or a line; of a file that cannot be read here, only what opens it says so."""
    places = """
classes = ["bal"]
[cameras.door]
source = "camera0"
[track]
[zones.a]
camera = "door"
polygon = [[0, 0], [1, 0], [1, 1]]
classes = [6]
[lines.b]
camera = "door"
start = [0, 0]
end = [0, 1]
classes = ["ball", "cat"]
"""
    text = GOOD.split("[cameras", maxsplit=1)[0] + places.lstrip()
    assert read_site(written(folder, text)).models["demo"].classes == ("bal",)
    shutil.copy(DEMO_ONNX, folder / "m.onnx")
    assert mistakes(folder, text) == [
        ":4: models.demo.classes: the model has no class 'bal': did you mean 'ball'?",
        ":11: zones.a.classes: the model has no class '6': its 6 classes are listed by 'yolorknn info'",
        ":16: lines.b.classes: the model has no class 'cat': its 6 classes are listed by 'yolorknn info'",
    ]


def test_what_secret_files_hold_is_part_of_a_site(folder: Path) -> None:
    """A password that was mended is a change, though the site file is the same."""
    for file in ("door.source", "hook", "signed", "pw", "token"):
        (folder / file).write_text("https://me:s3cret@cam\n")
    text = (
        GOOD.replace("camera0", "@door.source")
        + """
[sinks]
webhook = "@hook"
webhook_secret_file = "signed"
[mqtt]
host = "a"
user = "b"
password_file = "pw"
[page]
port = 8080
token_file = "token"
"""
    )
    before = read_site(written(folder, text))
    assert changes(before, read_site(folder / "site.toml")) == "nothing changed" and "s3cret" not in repr(before)
    for file, changed in {
        "door.source": "cameras changed: door", "hook": "sinks changed", "signed": "sinks changed",
        "pw": "mqtt changed", "token": "page changed",
    }.items():  # fmt: skip
        (folder / file).write_text("https://me:another@cam\n")
        after = read_site(folder / "site.toml")
        assert changes(before, after) == changed
        before = after
    after = read_site(written(folder, text + '[log]\nformat = "json"\n'))
    assert changes(before, after) == "log changed, which needs a restart"
    assert mistakes(folder, text + 'held = ""') == [":17: page.held: there is no such key"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_as_windows_writes_it(folder: Path, encoding: str) -> None:
    (folder / "site.toml").write_text(GOOD, encoding=encoding)
    assert set(read_site(folder / "site.toml").cameras) == {"door"}


def test_all_mistakes_at_once_in_their_order(folder: Path) -> None:
    text = GOOD.replace("m.onnx", "n.onnx") + 'fpz = 1\n[sinks]\nquota = "?"\nkeep = -1\n[loq]\n'
    lines = [int(mistake.split(":")[1]) for mistake in mistakes(folder, text)]
    assert lines == [3, 6, 8, 9, 10]


def test_no_secret_is_told(folder: Path) -> None:
    """Not of a source or webhook of the wrong kind, nor of what stands in a file."""
    (folder / "hook").write_text("https://a/s3cret")
    text = GOOD.replace('"camera0"', '["rtsp://me:s3cret@cam"]') + '[sinks]\nwebhook = ["s3cret"]\nmasks = "@hook"\n'
    assert "s3cret" not in "".join(mistakes(folder, text))
    good = read_site(written(folder, GOOD.replace("camera0", "rtsp://me:s3cret@cam/")))
    assert "s3cret" in good.cameras["door"].source


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\0", b"a" * (1 << 21), b"a = " + b"[" * 100_000])
def test_what_is_no_site_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s.toml").write_bytes(data)
    with pytest.raises(SiteError):
        read_site(tmp_path / "s.toml")
    for absent in (tmp_path, tmp_path / "none"):
        with pytest.raises(SiteError, match="cannot read"):
            read_site(absent)
