"""USB cameras: what they send is whole or not given; unplugged, stuck, renumbered they are told and found again."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes.usb import UsbCamera, needs_shim
from yolorknn.errors import SourceError
from yolorknn.stream.sources import v4l2_api as api
from yolorknn.stream.sources.camera_names import camera_name, device_of
from yolorknn.stream.sources.device_links import found_again, links_to
from yolorknn.stream.sources.open_source import is_live, open_connection
from yolorknn.stream.sources.v4l2 import whole_jpeg

OPEN = """
from pathlib import Path
from yolorknn.stream.sources.v4l2 import V4l2Camera
camera = V4l2Camera(Path({device!r}), name="camera0", patience=0.12{more})
"""
STATS = "[list(frame.image.shape), round(float(frame.image.mean())), dict(camera.unfit)]"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsbCamera]:
    made = UsbCamera(tmp_path_factory.mktemp("usb"))
    yield made
    made.close()


@pytest.fixture
def usb(process: UsbCamera) -> Iterator[UsbCamera]:
    process.reset()
    yield process
    process.run("camera.close() if 'camera' in globals() else None")


def opened(usb: UsbCamera, more: str = "") -> object:
    return usb.run(OPEN.format(device=str(usb.device), more=more), "camera.fps")


@needs_shim
@pytest.mark.parametrize("kind", ["YUYV", "UYVY", "NV12", "MJPG"])
def test_pictures_of_each_format(usb: UsbCamera, kind: str) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 60, 30), (20, 90, 160)
    usb.gives(kind, image)
    assert opened(usb) == 30
    got = usb.run("frame = camera.read()", "frame.image[24, [8, 56]].tolist()")
    assert np.abs(np.array(got) - [[200, 60, 30], [20, 90, 160]]).max() <= 6
    assert usb.run("", "[frame.source, frame.clock, frame.arrived > 0, camera.live]") == ["camera0", "unix", True, True]


@needs_shim
def test_a_picture_that_is_not_whole_is_counted_and_not_given(usb: UsbCamera) -> None:
    """OpenCV fills what is missing of a JPEG with grey, and raw pictures would be those of before."""
    image = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    usb.gives("MJPG", image)
    opened(usb)
    usb.run("frame = camera.read()")
    whole = cv2.imencode(".jpg", image)[1].tobytes()
    for data in (whole[: len(whole) // 2], whole[:-2], b"", b"\0" * 5000, whole[2:]):
        usb.sends(data)
        usb.run("while camera.read(): pass")
        refused = usb.run("camera.read()")
        assert refused["error"] == "SilentError" and refused["reason"] == "damaged"
    usb.sends(whole + b"\0" * 500)
    assert usb.run("frame = camera.read()", STATS)[0] == [480, 640, 3], "some cameras fill up with zeros"
    usb.gives("YUYV", np.full((48, 64, 3), 9, np.uint8))
    usb.sends(b"\1" * 100)
    usb.run("camera.close()")
    opened(usb)
    assert usb.run("camera.read()")["reason"] == "damaged"


@needs_shim
def test_a_picture_that_the_driver_calls_damaged_is_not_given(usb: UsbCamera) -> None:
    opened(usb)
    usb.does("flag")
    usb.run("while camera.read(): pass")
    assert usb.run("camera.read()")["reason"] == "damaged"
    usb.does("run")
    assert usb.run("frame = camera.read()", STATS)[1] == 90


@needs_shim
def test_a_camera_that_gives_nothing_is_told_in_time(usb: UsbCamera) -> None:
    opened(usb)
    usb.run("camera.read()")
    usb.does("stall")
    usb.run("import time; begun = time.monotonic()")
    refused = usb.run("while True: camera.read()")
    assert refused["error"] == "SilentError" and refused["reason"] == "silent"
    usb.does("run")
    assert usb.run("frame = camera.read()", STATS)[1] == 90


@needs_shim
def test_an_unplugged_camera_is_told(usb: UsbCamera) -> None:
    opened(usb)
    usb.run("camera.read()")
    usb.does("unplug")
    refused = usb.run("while True: camera.read()")
    assert refused["reason"] == "unplugged" and "it was unplugged" in refused["text"]
    usb.run("camera.close()")
    assert opened(usb)["reason"] == "unplugged"  # type: ignore[index]


@needs_shim
def test_one_that_another_uses_is_told(usb: UsbCamera) -> None:
    usb.does("busy")
    refused = opened(usb)
    assert isinstance(refused, dict) and refused["reason"] == "busy" and "another program uses it" in refused["text"]


@needs_shim
def test_what_is_no_camera_of_ours_is_left_to_opencv(usb: UsbCamera) -> None:
    usb._write(".fmt", b"PJPG 64 48")
    refused = opened(usb)
    assert isinstance(refused, dict) and refused["error"] == "OtherFormatError"


@pytest.mark.slow
@needs_shim
def test_unwanted_pictures_are_not_decoded(usb: UsbCamera) -> None:
    opened(usb, ", fps=5")
    code = "import time\nfrom yolorknn.stream.sources.source import SilentError\n"
    code += "end, count = time.monotonic() + 1.2, 0\nwhile time.monotonic() < end:\n    try:\n"
    code += "        count += camera.read() is not None\n    except SilentError:\n        pass"  # asked again, as it is
    count, unwanted = usb.run(code, "[count, camera.unfit['unwanted']]")
    assert 2 <= count <= 8 and unwanted > 10


@needs_shim
def test_a_size_that_it_has_not_is_told(usb: UsbCamera) -> None:
    code = "import logging\nsaid = []\nlogging.getLogger('yolorknn').addHandler(type('H', (logging.Handler,), "
    usb.run(code + "{'emit': lambda self, record: said.append(record.getMessage())})())")
    opened(usb, ", size=(1000, 1000)")
    assert usb.run("", "said") == ["camera0 has no 1000x1000: it gives 64x48"]


@pytest.mark.slow
@needs_shim
def test_a_call_that_never_returns_holds_up_nothing(usb: UsbCamera) -> None:
    """Unplugged on some kernels: the thread is left, and the camera opened again."""
    usb.run(
        "from yolorknn.stream.sources import returning\n"
        "from yolorknn.stream.sources.returning import ReturningSource\n"
        "returning.STUCK = 1\n"
        f"device = Path({str(usb.device)!r})\n"
        "connect = lambda: V4l2Camera(device, name='camera0', patience=0.5)\n"
        "source = ReturningSource(connect, source='camera0', name='x')\n"
        "first = source.read()\n"
    )
    usb.does("hang")
    usb.run("while not source.status().losses: source.take(); source.watch(); time.sleep(0.01)")
    usb.does("run")
    code = "again = source.read()\nwhile again.epoch == 1: again = source.read()"
    assert usb.run(code, "[first.epoch, again.epoch, set(source.status().losses) == {'stuck'}]") == [1, 2, True]
    usb.run("source.close()")


@needs_shim
def test_the_structures_are_the_kernels(tmp_path: Path) -> None:
    """Asked of a C compiler and the kernel's own header."""
    calls = {
        "QUERYCAP": "QUERYCAP",
        "GET_FORMAT": "G_FMT",
        "SET_FORMAT": "S_FMT",
        "REQUEST": "REQBUFS",
        "QUERY": "QUERYBUF",
        "QUEUE": "QBUF",
        "DEQUEUE": "DQBUF",
        "STREAM_ON": "STREAMON",
        "STREAM_OFF": "STREAMOFF",
        "SET_RATE": "S_PARM",
    }
    places = {
        "v4l2_buffer, sequence": api.Buffer.sequence,
        "v4l2_buffer, m": api.Buffer.offset,
        "v4l2_buffer, length": api.Buffer.length,
        "v4l2_buffer, flags": api.Buffer.flags,
        "v4l2_format, fmt.pix.width": api.Format.width,
        "v4l2_format, fmt.pix.pixelformat": api.Format.pixels,
        "v4l2_format, fmt.pix.bytesperline": api.Format.line,
        "v4l2_streamparm, parm.capture.timeperframe": api.Rate.seconds,
        "v4l2_capability, capabilities": api.Capability.capabilities,
        "v4l2_capability, device_caps": api.Capability.device,
    }
    lines = [f'printf("%lu\\n", (unsigned long)VIDIOC_{name});' for name in calls.values()]
    lines += [f'printf("%lu\\n", (unsigned long)offsetof(struct {where}));' for where in places]
    head = "#include <linux/videodev2.h>\n#include <stdio.h>\n#include <stddef.h>\n"
    (tmp_path / "a.c").write_text(head + "int main(void) {" + "".join(lines) + "}")
    subprocess.run(["cc", "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    said = list(map(int, subprocess.run([tmp_path / "a"], capture_output=True, check=True).stdout.split()))
    assert said[: len(calls)] == [getattr(api, name) for name in calls]
    assert said[len(calls) :] == [place.offset for place in places.values()]
    assert ctypes.sizeof(api.Buffer) == 88


def links(folder: Path, **leads: str) -> None:
    for name, target in leads.items():
        link = folder / "v4l" / name.replace("__", "/").replace("_", "-")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(folder / target)


def test_a_camera_is_found_again_by_its_port_then_by_its_id(tmp_path: Path) -> None:
    for name in ("video0", "video1", "video2"):
        (tmp_path / name).touch()
    links(tmp_path, by_path__a="video0", by_id__a="video0", by_path__b="video1")
    folder = tmp_path / "v4l"
    known = links_to(tmp_path / "video0", folder)
    assert [str(link.relative_to(folder)) for link in known] == ["by-path/a", "by-id/a"]
    links(tmp_path, by_path__a="video2", by_id__a="video2")
    assert found_again(known).resolve() == tmp_path / "video2"  # type: ignore[union-attr]
    (folder / "by-path/a").unlink()
    assert found_again(known) == folder / "by-id/a"
    (folder / "by-id/a").unlink()
    assert found_again(known) is None
    assert links_to(tmp_path / "absent", folder) == links_to(tmp_path / "video0", tmp_path / "no") == []


def test_names_of_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("0", "camera0", "/dev/video0"):
        assert is_live(source) and camera_name(source) == "camera0" and device_of(source) == Path("/dev/video0")
    link = "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0"
    assert is_live(link) and camera_name(link) == link and device_of(link) == Path(link)
    for own, target in (("/dev/frontcam", "/dev/video3"), ("/dev/absent", "/dev/absent")):
        monkeypatch.setattr(os.path, "lexists", lambda path: path != "/dev/absent")
        monkeypatch.setattr(os.path, "realpath", lambda _, to=target: to)
        assert is_live(own) and camera_name(own) == own and device_of(own) == Path(own)
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    assert not is_live("/dev/stdin") and not is_live("/dev/shm/clip.mp4")
    assert device_of("rtsp://host/1") is None and not is_live("/dev/v4l/by-id/../../null")
    with pytest.raises(SourceError, match=re.escape(f"there is no camera {link}")):
        open_connection(link, patience=1)


def test_a_jpeg_is_whole_or_none() -> None:
    """Of a picture of noise, cut anywhere."""
    image = np.random.default_rng(2).integers(0, 255, (64, 80, 3), np.uint8)
    data = np.frombuffer(cv2.imencode(".jpg", image)[1].tobytes(), np.uint8)
    assert whole_jpeg(data) is not None
    assert all(whole_jpeg(data[:cut]) is None for cut in range(0, data.size - 1, 37))
