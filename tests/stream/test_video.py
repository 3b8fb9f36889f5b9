from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolorknn.errors import OutputError, SourceError
from yolorknn.image import read_image
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.stream.sources.images import ImageFiles
from yolorknn.stream.sources.open_source import open_source


def write_images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        ok, data = cv2.imencode(Path(name).suffix, np.full((20, 30, 3), number * 10, np.uint8))
        assert ok
        (folder / name).write_bytes(data.tobytes())


def read_all(source: object) -> list[np.ndarray]:
    opened = open_source(source)  # type: ignore[arg-type]
    images = []
    while (frame := opened.read()) is not None:
        images.append(frame.image)
    assert opened.read() is None, "the end stays the end"
    opened.close()
    return images


def test_folders_globs_and_images_with_awkward_names(tmp_path: Path) -> None:
    folder = tmp_path / "sp ace é [1]"
    write_images(folder, "b.png", "a 1.png", "C.PNG")
    (folder / "notes.txt").write_text("no image")
    source = open_source(folder)
    assert isinstance(source, ImageFiles)
    assert [path.name for path in source.paths] == ["C.PNG", "a 1.png", "b.png"]
    assert source.count == 3 and not source.live and source.name == "sp ace é [1]"
    assert len(read_all(str(folder))) == 3
    write_images(tmp_path / "plain", "x.png", "y.png", "z.jpg")
    assert len(read_all(str(tmp_path / "plain/*.png"))) == 2
    assert [image.shape for image in read_all(folder / "a 1.png")] == [(20, 30, 3)]


def test_grey_alpha_and_16_bit_images_become_bgr(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {
        "grey.png": np.zeros((4, 5), np.uint8),
        "alpha.png": np.zeros((4, 5, 4), np.uint8),
        "deep.png": np.full((4, 5, 3), 65535, np.uint16),
    }
    for name, array in arrays.items():
        cv2.imwrite(str(tmp_path / name), array)
        image = read_image(tmp_path / name)
        assert image.shape == (4, 5, 3) and image.dtype == np.uint8


def test_a_written_video_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "100% né.mp4"
    with VideoWriter(path, fps=25, size=(48, 64)) as writer:
        for number in range(20):
            writer.write(np.full((48, 64, 3), number * 10, np.uint8))
        writer.write(np.zeros((100, 100, 3), np.uint8))
        assert not path.exists(), "under a temporary name until it is whole"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    source = open_source(path)
    assert source.count == 21 and source.fps == pytest.approx(25) and source.name == "100% né"
    timestamps = [frame.timestamp for _ in range(21) if (frame := source.read())]
    assert timestamps == pytest.approx([number / 25 for number in range(21)])
    assert [image.mean() for image in read_all(path)][:20] == pytest.approx([n * 10 for n in range(20)], abs=4)


def test_an_interrupted_video_is_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)) as writer:
        for _ in range(10):
            writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert len(read_all(tmp_path / "v.mp4")) == 10


def test_a_video_without_frames_or_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot finish"), VideoWriter(tmp_path / "v.mp4", fps=25, size=(48, 64)):
        pass
    with pytest.raises(OutputError, match="cannot write"):
        VideoWriter(Path("/proc/v.mp4"), fps=25, size=(48, 64))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("absent.jpg", "there is no file absent.jpg"),
        ("no*.jpg", "no image matches"),
        ("camera63", "there is no camera /dev/video63"),
        (63, "there is no camera /dev/video63"),
        ("/dev/video63", "there is no camera"),
        ("rtsp://user:secret@127.0.0.1:1/live", r"no video from rtsp://127\.0\.0\.1:1/live"),
    ],
)
def test_sources_that_are_not_there(source: str | int, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        open_source(source)


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="has no images"):
        open_source(tmp_path / "empty")
    (tmp_path / "v.mp4").write_bytes(b"junk")
    with pytest.raises(SourceError, match="not a video or image"):
        open_source(tmp_path / "v.mp4")
    for name, content in {"zero.jpg": b"", "junk.png": b"junk"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=f"{name} is not a readable image"):
            open_source(tmp_path / name).read()


def test_arrays_must_be_images() -> None:
    assert len(read_all([np.zeros((4, 4, 3), np.uint8)] * 3)) == 3
    with pytest.raises(ValueError, match="an image is"):
        read_all([np.zeros((4, 4))])
