"""The systemd unit: its text, as systemd itself reads it, and its name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from yolorknn.deploy.service import unit, unit_name


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
    assert "Restart=on-failure" in text and "SupplementaryGroups=video render" in text


def test_names_of_units() -> None:
    assert unit_name("camera0") == "yolorknn-camera0.service"
    assert unit_name("/dev/video1") == "yolorknn-dev-video1.service"
    assert unit_name("rtsp://me:secret@10.0.0.2:554/live?x=1") == "yolorknn-10-0-0-2-live.service"
    assert unit_name("../..") == "yolorknn-source.service"
