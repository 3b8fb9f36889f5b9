"""What detect writes, and where: pictures, a video, lines; never over what it reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.commands import Recorder, misused, refused, run
from tests.fakes.encode import encode_split
from tests.fakes.numbered import cell_of, numbered_frame
from yolorknn.errors import OutputError


@pytest.mark.parametrize("save", [True, False])
@pytest.mark.parametrize("lines", [None, "-", "found.jsonl"])
def test_the_sinks(
    detector: Recorder, images: Path, monkeypatch: pytest.MonkeyPatch, save: bool, lines: str | None
) -> None:
    monkeypatch.chdir(images.parent)
    words = [*([] if save else ["--no-save"]), *(["--json", lines] if lines else [])]
    done = run("detect", images, "-m", "m.rknn", *words)
    folder = Path("runs/detect/in")
    pictures = {f"{number}.png" for number in range(4)} if save else set()
    made = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert made == pictures | ({"detections.jsonl"} if lines is None else set())
    assert folder.exists() == (save or lines is None) == ("results in" in done.stderr)
    assert len(done.stdout.splitlines()) == (4 if lines == "-" else 0)
    assert Path("found.jsonl").exists() == (lines == "found.jsonl")


class OneBox(NumberBackend):
    """Finds the same in every frame, as the colours of a video are not exact enough to be a number."""

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return encode_split(self.metadata, [cell_of(0)])


def test_a_video_becomes_a_video(detector: Recorder, clip: Path, tmp_path: Path) -> None:
    detector.answer = number_detector(tmp_path, backend=OneBox)
    done = run("detect", clip, "-m", "m.rknn", "-o", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out/clip").iterdir()} == {"clip.mp4", "detections.jsonl"}
    capture = cv2.VideoCapture(str(tmp_path / "out/clip/clip.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3 and capture.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    assert done.stderr.startswith(f"found 3 {NUMBERS.names[0]}\n3 frames in ")
    detector.answer = number_detector(tmp_path, backend=OneBox)
    run("detect", clip, "-m", "m.rknn", "-o", tmp_path / "out", "--no-save")
    assert [path.name for path in (tmp_path / "out/clip-2").iterdir()] == ["detections.jsonl"]


def test_sinks_are_closed_when_one_fails(
    detector: Recorder, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def closing(name: str) -> Any:
        class Closing:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def write(self, _: object) -> None:
                if name == "Pictures":
                    raise OutputError("cannot write 0.png: No space left on device")

            def close(self) -> None:
                closed.append(name)

            def target(self, source: str) -> Path:
                return tmp_path / "out" / Path(source).name

        return Closing

    monkeypatch.setattr("yolorknn.stream.sinks.opening.JsonLines", closing("JsonLines"))
    monkeypatch.setattr("yolorknn.stream.sinks.pictures.Pictures", closing("Pictures"))
    said = refused("detect", images, "-m", "m.rknn", "-o", tmp_path / "out")
    assert said == "cannot write 0.png: No space left on device"
    assert closed == ["Pictures", "JsonLines"]
    assert not (tmp_path / "out").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_input_is_never_an_output(
    detector: Recorder, images: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(images.parent)
    (images.parent / "link").symlink_to(images)
    (images.parent / "m.rknn").write_bytes(b"a model")
    (images.parent / "a.png").write_bytes((images / "0.png").read_bytes())
    os.link(images.parent / "a.png", images.parent / "other.jsonl")
    Path("names.txt").write_text("".join(f"{name}\n" for name in NUMBERS.names))
    before = contents(images.parent)
    over = "is read, so nothing is written to it: give another folder or name for results"
    called = "is called like a picture, video or model: give a file as found.jsonl for the lines"
    for words, why in {
        "in -o . --name in": over,
        "in -o . --name link": over,
        "link -o . --name in": over,
        "in/*.png -o . --name in": over,
        "a.png -o . --name .": over,
        "clip.mp4 -o . --name .": over,
        "a.png --json other.jsonl": over,
        "a.png --no-save --json names.txt --names names.txt": over,
        "a.png --json a.png": called,
        "in --json b.jpg": called,
        "in --json m.rknn": called,
    }.items():
        detector.answer = number_detector(images.parent / "..", cores=2)
        assert refused("detect", *words.split(), "-m", "m.rknn").endswith(why), words
        assert contents(images.parent) == before, words


def test_two_images_of_one_name_both_reach_the_output(
    detector: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, place in enumerate(("g/a", "g/b/c", "h")):
        Path(place).mkdir(parents=True)
        cv2.imwrite(f"{place}/1.png", numbered_frame(number, NUMBERS.imgsz))
    run("detect", "g/**/1.png", "-m", "m.rknn", "-o", "out")
    pictures = {str(path.relative_to("out/images")) for path in Path("out/images").rglob("*.png")}
    assert pictures == {"a/1.png", "b/c/1.png"}
    detector.answer = number_detector(tmp_path)
    run("detect", "g/../[gh]/**/1.png", "-m", "m.rknn", "-o", "out")
    pictures = {str(path.relative_to("out/images-2")) for path in Path("out/images-2").rglob("*.png")}
    assert pictures == {"g/a/1.png", "g/b/c/1.png", "h/1.png"}


def test_two_sinks_do_not_write_to_one_place(
    detector: Recorder, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows between lines are neither CSV nor JSON lines; and a folder's numbers are those of one kind of pictures."""
    monkeypatch.chdir(tmp_path)
    words = ("detect", images, "-m", "m.rknn", "--no-save")
    Path("other.csv").symlink_to("found.jsonl")
    for name in ("found.jsonl", "./found.jsonl", "other.csv"):
        said = misused(*words, "--json", "found.jsonl", "--csv", name)
        assert said.endswith("is the file of --json: give another name")
    said = misused(*words, "--record", "kept", "--snapshots", "shots", "--crops", "./kept")
    assert said.endswith("is the folder that --record has: give each its own")
    run(*words, "--json", "/dev/null", "--csv", "/dev/null")
