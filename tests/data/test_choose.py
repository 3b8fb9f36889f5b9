"""Choosing calibration images: what is left out, what is kept, and what is written."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET
from yolorknn.cli.app import app
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.choose import choose
from yolorknn.data.near_duplicates import ALIKE, distances, is_broken, thumbnail
from yolorknn.errors import DatasetError, OutputError, SourceError
from yolorknn.image import Canvas, Image, read_image
from yolorknn.stream.sources.source import Frame


def scene(kind: int, shade: int = 0) -> Image:
    """Return a picture of one of many kinds, with noise in its shades."""
    random = np.random.default_rng(kind)
    coarse = random.integers(20, 236, (4, 5, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC).astype(int)
    noise = np.random.default_rng(1000 * kind + shade).integers(-3, 4, picture.shape)
    made: Image = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return made


def folder_of(folder: Path, pictures: list[Image]) -> Path:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:03d}.png"), picture)
    return folder


def test_one_of_each_kind_is_chosen(tmp_path: Path) -> None:
    kinds = [0] * 10 + [1, 2, 2, 2, 3] + [0] * 5 + [4, 4, 1]
    source = folder_of(tmp_path / "in", [scene(kind, shade) for shade, kind in enumerate(kinds)])
    chosen = choose(str(source), count=20, output=tmp_path / "out")
    assert (chosen.images, chosen.seen, chosen.broken, chosen.alike) == (5, len(kinds), 0, len(kinds) - 5)
    taken = [source / f"{kinds.index(kind):03d}.png" for kind in range(5)]
    written = CalibrationSet.open(tmp_path / "out")
    assert [path.read_bytes() for path in written.images] == [path.read_bytes() for path in taken]
    assert CalibrationSet.open(tmp_path / "out/dataset.txt").images == written.images
    sheet = read_image(tmp_path / "out/contact-sheet.jpg")
    assert sheet.shape == (120, 5 * 160, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]  # no scratch is left
    assert choose(str(tmp_path / "out"), count=20, output=tmp_path / "again").seen == 5, "the sheet is none of them"


def test_few_of_many_lie_far_apart(tmp_path: Path) -> None:
    """Shades of brightness in disorder: of 0 to 240, five cover the range whichever comes first."""
    gradient = np.linspace(0, 15, 160).astype(np.uint8)
    levels = np.random.default_rng(0).permutation(np.arange(0, 240, 4))
    pictures = [np.full((120, 160, 3), level, np.uint8) + gradient[None, :, None] for level in levels]
    source = folder_of(tmp_path / "in", pictures)
    choose(str(source), count=5, output=tmp_path / "out")
    means = sorted(float(frame.mean()) for frame in CalibrationSet.open(tmp_path / "out").frames())
    assert len(means) == 5 and means[0] < 40 and means[-1] > 200 and min(np.diff(means)) > 20


def test_the_same_frames_give_the_same_set(tmp_path: Path) -> None:
    for name in ("one", "two"):
        choose(str(DATASET / "data.yaml"), count=7, output=tmp_path / name)
    one, two = (sorted((tmp_path / name).rglob("*.*")) for name in ("one", "two"))
    assert len(one) == 9 and [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_broken_frames_are_left_out(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [scene(0), np.zeros((120, 160, 3), np.uint8), scene(1)])
    data = cv2.imencode(".jpg", cv2.resize(scene(2), (640, 480)))[1].tobytes()
    (source / "torn.jpg").write_bytes(data[: len(data) // 2])
    (source / "empty.jpg").write_bytes(b"")
    chosen = choose(str(source), count=9, output=tmp_path / "out")
    assert (chosen.images, chosen.broken) == (2, 3)


def test_what_is_broken() -> None:
    assert not is_broken(scene(0))
    assert is_broken(np.full((40, 40, 3), 90, np.uint8))
    torn, bars = scene(0).copy(), scene(0).copy()
    torn[80:], bars[80:] = 128, 0
    assert is_broken(torn) and not is_broken(bars)  # the black bars of a film are no damage


def test_alike_is_measured_in_levels() -> None:
    picture = scene(0)
    assert distances(thumbnail(picture), [thumbnail(picture), thumbnail(scene(0, 1))]).max() < ALIKE
    assert distances(thumbnail(picture), [thumbnail(scene(1))]).min() > 5 * ALIKE
    assert distances(thumbnail(picture), []).shape == (0,)


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 120))
    for number in range(60):
        writer.write(scene(number // 20, number))
    writer.release()
    chosen = choose(str(path), count=10, output=tmp_path / "out")
    assert (chosen.images, chosen.seen) == (3, 60)
    for kind, frame in enumerate(CalibrationSet.open(tmp_path / "out").frames()):
        assert distances(thumbnail(frame), [thumbnail(scene(kind))]).max() < 3 * ALIKE


class Camera:
    """Gives the same two scenes for ever, then something else, or Ctrl-C, or nothing more."""

    name, live, fps, count = "camera0", True, 30.0, None

    def __init__(self, end: BaseException | None) -> None:
        self.end, self.number, self.closed = end, 0, False

    def read(self) -> Frame:
        self.number += 1
        if self.number <= 50:
            return Frame(scene(self.number % 2, self.number), 0.0, self.name)
        if self.end is not None:
            raise self.end
        return Frame(scene(self.number), 0.0, self.name)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("end", "images", "said"),
    [
        (None, 6, ""),
        (KeyboardInterrupt(), 2, "interrupted"),
        (SourceError("camera0 stopped giving frames"), 2, "camera0 stopped giving frames"),
    ],
)
def test_a_camera_is_read_until_there_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException | None, images: int, said: str
) -> None:
    camera = Camera(end)
    monkeypatch.setattr("yolorknn.data.choose.open_source", lambda _: camera)
    chosen = choose("camera0", count=6, output=tmp_path / "out")
    assert (chosen.images, chosen.ended) == (images, said)
    assert len(list(CalibrationSet.open(tmp_path / "out").frames())) == images


def test_nothing_is_mixed_or_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder_of(tmp_path / "in", [scene(0), scene(1)])
    (tmp_path / "out").mkdir()
    choose(str(source), count=2, output=tmp_path / "out")  # empty: fine
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(OutputError, match="is there and not empty"):
        choose(str(source), count=2, output=tmp_path / "out")
    with pytest.raises(OutputError, match="is there and not empty"):
        choose(str(source), count=2, output=source / "000.png")

    def full(_: object) -> Image:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("yolorknn.data.choose.contact_sheet", full)
    with pytest.raises(OutputError, match="No space left"):
        choose(str(source), count=2, output=tmp_path / "other")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_sources_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("train: nowhere\nnames: [a]\n")
    blank = folder_of(tmp_path / "blank", [np.zeros((40, 40, 3), np.uint8)] * 3)
    for source, error, words in (
        (tmp_path / "absent.yaml", SourceError, "there is no file"),
        (tmp_path / "empty", SourceError, "has no images"),
        (tmp_path / "bad.yaml", DatasetError, "names nowhere"),
        (blank, SourceError, "none of the 3 frames of .* can be used"),
    ):
        with pytest.raises(error, match=words):
            choose(str(source), count=3, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [scene(0), scene(1), scene(0, 1)])
    result = CliRunner().invoke(app, ["calibrate", str(source), "-n", "4", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("out/dataset.txt")
    assert "2 of 3 frames chosen (0 broken, 1 near-duplicates)" in result.stderr
    assert "fewer than the 4 asked for: the source has no more that differ" in result.stderr


def test_concerns(tmp_path: Path) -> None:
    good = CalibrationSet.open(DATASET / "images")
    assert good.concerns(Canvas((320, 320))) == []
    same = CalibrationSet.open(folder_of(tmp_path / "same", [scene(0, shade) for shade in range(30)]))
    assert same.concerns(Canvas((128, 160))) == ["only 1 of the 30 calibration images differ; see 'yolorknn calibrate'"]
    small = CalibrationSet.open(folder_of(tmp_path / "few", [scene(kind) for kind in range(5)]))
    few, enlarged = small.concerns(Canvas((640, 640)))
    assert few.startswith("the calibration set has 5 images; 50 to 200")
    assert enlarged.startswith("the calibration images are enlarged 4.0 times to the model's 640x640")
    narrow = [np.ascontiguousarray(scene(kind)[:40]) for kind in range(20)]
    (padded,) = CalibrationSet.open(folder_of(tmp_path / "wide", narrow)).concerns(Canvas((160, 160)))
    assert padded.startswith("the calibration images cover 25% of the model's 160x160")
