"""The systemd unit: its text, as systemd itself reads it, and its name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.site.conftest import write_model
from yolorknn.cli.watch import GAVE_UP, MISTAKES
from yolorknn.deploy.service import site_file, site_text, source_file, unit, unit_name
from yolorknn.site.read import read_site
from yolorknn.stream.sources.open_source import kept_source


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("folder", ["/home/rock/yolorknn", '/srv/a b\'s 100% $HOME "q" \\n'])
@pytest.mark.parametrize("source", ["camera0", "rtsp://u:p%40@cam/$x?a='b'&c=\"d\"\\"])
def test_systemd_takes_the_unit(tmp_path: Path, folder: str, source: str) -> None:
    text = unit(source, "m %n.rknn", folder=folder, user="root", groups=("video", "render"))
    file = tmp_path / "yolorknn-cam.service"

    def verify(text: str) -> tuple[int, str]:
        file.write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, "".join(line for line in done.stderr.splitlines() if file.name in line)

    assert verify(text) == (0, "")
    assert verify(text.replace("/usr/bin/env", "/usr/bin/absent"))[0] != 0, "it does look"
    assert "Unknown key" in verify(text.replace("RestartSec", "RestartSeconds"))[1]
    assert f"RestartPreventExitStatus={GAVE_UP} {MISTAKES}" in text
    assert "Restart=on-failure" in text and "SupplementaryGroups=video render" in text


@pytest.mark.parametrize("source", ["camera0", "rtsp://u:p%40@cam/$x?a='b'&c=\"d\"\\", 'a "b" \\ é.mp4'])
@pytest.mark.parametrize("model", ["m.rknn", 'm "%n" \\ é.rknn'])
def test_its_site_file_is_one(tmp_path: Path, source: str, model: str) -> None:
    write_model(tmp_path / model)
    if source.endswith(".mp4"):
        source = str(tmp_path / source)
        Path(source).touch()
    if kept := source_file(source):
        (tmp_path / kept).write_text(source)
    (tmp_path / site_file(source)).write_text(site_text(source, model))
    site = read_site(tmp_path / site_file(source))
    (camera,), (table,) = site.cameras.values(), site.models.values()
    assert table.file == tmp_path / model and str(site.sinks.json) == "-"
    assert kept_source(camera.source) == source


def test_names_of_units() -> None:
    assert unit_name("camera0") == "yolorknn-camera0.service"
    assert unit_name("/dev/video1") == "yolorknn-dev-video1.service"
    assert unit_name("rtsp://me:secret@10.0.0.2:554/live?x=1") == "yolorknn-10-0-0-2-live.service"
    assert unit_name("rtsp://nvr/live?token=x&channel=2") == "yolorknn-nvr-live-channel-2.service"
    assert unit_name("../..") == "yolorknn-source.service"
