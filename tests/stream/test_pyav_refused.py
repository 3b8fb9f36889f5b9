"""What PyAV cannot open is a loss, in words that hold no secret."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera
from tests.stream.test_pyav import camera
from yolorknn.stream.sources.open_source import open_source
from yolorknn.stream.sources.pyav import PyAvStream
from yolorknn.stream.sources.pyav_losses import loss_of
from yolorknn.stream.sources.source import LostError

pytest.importorskip("av", reason="PyAV is not installed")


__all__ = ["camera"]


def refusal(url: str, **options: float) -> LostError:
    with pytest.raises(LostError) as refused:
        PyAvStream(url, **options)  # type: ignore[arg-type]
    assert "s3cret" not in str(refused.value)
    return refused.value


def test_what_answers_is_no_camera(camera: RtspCamera) -> None:
    camera.bad_sdp = True
    assert refusal(camera.url).reason == "broken"


def test_what_accepts_and_says_nothing(camera: RtspCamera) -> None:
    camera.mute = True
    assert refusal(camera.url, opening=0.5).reason == "unreachable"


def test_who_is_not_there(camera: RtspCamera) -> None:
    camera.down()
    assert refusal(camera.url.replace("//", "//me:s3cret@")).reason == "refused"
    assert refusal("rtsp://me:s3cret@nowhere.invalid/live").reason == "unreachable"
    for url in ("rtsp://me:s3cret@[::1/live", "nothing://me:s3cret@127.0.0.1/live"):
        assert refusal(url).reason == "broken"


def test_a_password_that_makes_no_address() -> None:
    for password in ("s3cret/x", "s3cret#x", "s3cret?x"):
        assert "the address is not right" in (said := str(refusal(f"rtsp://me:{password}@127.0.0.1/live"))), said
        assert "%2F" in said


def test_a_password() -> None:
    with RtspCamera(encoded(), login=("me", "s3cret")) as camera:
        opened = open_source(camera.url)
        frame = opened.read()
        opened.close()
        assert frame is not None and "s3cret" not in frame.source and "s3cret" not in opened.name
        assert refusal(camera.url.replace("me:s3cret", "me:wrong-s3cret")).reason == "denied"
        assert camera.refused >= 1


def test_what_is_no_rtsp_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"

        def answer() -> None:
            client, _ = server.accept()
            client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 50)
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        assert refusal(url, opening=2).reason in ("broken", "ended", "unreachable")
        thread.join()


def test_too_many_open_files_are_no_fault_of_the_cameras() -> None:
    import av

    reason, why = loss_of(OSError(errno.EMFILE, "Too many open files"), av.error, opening=True)
    assert reason == "busy" and "LimitNOFILE" in why
