"""The lines of containers/Dockerfile, run as they stand in a folder that is the image's root: no daemon is at hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX, ROOT
from tests.containers.dockerfile import FOLDER, asked, given_to, started
from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until

as_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="users are root's to make and be")
ROOTED = ("/opt/yolorknn", "/var/lib/yolorknn", "/etc/yolorknn", "/etc/machine-id", "/var/lib/dbus")
"""Where the Dockerfile writes, as long as it is not by the programs that make users."""


@pytest.fixture
def image() -> Iterator[Path]:
    """A folder that others than root may enter."""
    folder = Path(tempfile.mkdtemp(prefix="yolorknn-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def inside(image: Path, line: str) -> str:
    for path in ROOTED:
        line = line.replace(path, f"{image}{path}")
    return line


def user() -> tuple[str, str]:
    number, _, group = given_to("board", "USER")[0].partition(":")
    return number, group


@as_root
def test_its_user(image: Path) -> None:
    """useradd itself, on the files of a root of its own."""
    for name in ("passwd", "group", "shadow", "gshadow"):
        (image / "etc").mkdir(exist_ok=True)
        (image / "etc" / name).write_text("")
    (image / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (line,) = given_to("board", "RUN")
    for program in ("groupadd", "useradd"):
        line = line.replace(f"{program} ", f"{program} --prefix {image} ")
    for path in ("/var/lib/yolorknn", "/etc/machine-id", "/var/lib/dbus"):
        line = line.replace(f" {path}", f" {image}{path}")
    subprocess.run(["sh", "-e", "-c", line], check=True, capture_output=True)
    number, group = user()
    made = (image / "etc/passwd").read_text()
    assert made == f"yolorknn:x:{number}:{group}::{image}/var/lib/yolorknn:/usr/sbin/nologin\n"
    state = (image / "var/lib/yolorknn").stat()
    assert (str(state.st_uid), str(state.st_gid)) == (number, group)
    assert not (image / "etc/machine-id").exists(), "boards would share it"


def environment(image: Path) -> dict[str, str]:
    """Return the image's own, and nothing of this machine's."""
    pairs = dict(pair.split("=", 1) for given in given_to("board", "ENV") for pair in given.split())
    found = {name: inside(image, value).replace("$PATH", os.defpath) for name, value in pairs.items()}
    assert found["STATE_DIRECTORY"] == f"{image}/var/lib/yolorknn"
    return found


@as_root
@pytest.mark.exhaustive
def test_what_it_installs_watches_and_is_probed(image: Path) -> None:
    """As the image's user; with onnxruntime in the place of the board's runtime, as no NPU is here."""
    source = image / "src"
    source.mkdir()
    for given in given_to("build", "COPY"):
        *names, target = inside(image, given).split()
        for name in names:
            place = Path(target) if Path(target).is_absolute() else source / (target if target == name else name)
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, place)
    variables = {**os.environ, "EXTRAS": "live,serve,onnx"}
    for line in given_to("build", "RUN"):
        typed = inside(image, line).replace("python -m venv", f"{sys.executable} -m venv")
        done = subprocess.run(
            ["sh", "-e", "-c", typed], cwd=source, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    state, config = image / "var/lib/yolorknn", image / "etc/yolorknn"
    state.mkdir(parents=True)
    os.chown(state, *map(int, user()))
    config.mkdir(parents=True)
    shutil.copy(DEMO_ONNX, state / "demo.onnx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = inside(image, (FOLDER / "site.toml").read_text()).replace("v8n-rk3588-i8.rknn", "demo.onnx")
    text = text.replace("port = 8080", f"port = {port}").replace('"broker.local"', '"127.0.0.1"\nport = 9')
    for name in ("page.token", "mqtt.password"):
        (config / name).write_text("a-token-of-the-tests-0123456789\n")
    variables = environment(image) | {
        "YOLORKNN_PROBED": f"http://127.0.0.1:{port}",
        "YOLORKNN_TOKEN_FILE": f"{config}/page.token",
    }
    number, group = user()
    dropped = ["setpriv", f"--reuid={number}", f"--regid={group}", "--clear-groups", "--no-new-privs"]

    def probed(path: str) -> subprocess.CompletedProcess[str]:
        command = [*dropped, *(inside(image, word) for word in asked()[:-1]), path]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    assert probed("/healthz").returncode == 1, "nothing is there yet"
    with RtspCamera(encoded(fps=5)) as camera, (image / "log").open("wb") as log:
        (config / "site.toml").write_text(text.replace("rtsp://camera.local/live", camera.url))
        command = [*dropped, *(inside(image, word) for word in started())]
        process = subprocess.Popen(command, cwd=state, env=variables, stdout=log, stderr=log)
        try:
            until(lambda: probed("/healthz").returncode == 0, by=process)
            until(lambda: probed("/readyz").returncode == 0, by=process)
            (config / "page.token").write_text("another-token-of-the-tests\n")
            refused = probed("/readyz")
            assert refused.returncode == 1 and refused.stderr.startswith("/readyz: 401 "), refused.stderr
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 130, (image / "log").read_text()
    lines = (image / "log").read_text().splitlines()
    told = [json.loads(line) for line in lines if "onnxruntime" not in line]  # which has its own words on stderr
    assert any("1 camera watched" in str(line) for line in told)
