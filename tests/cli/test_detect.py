"""What detect passes on, which sinks it opens, and what it says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from tests.fakes.encode import encode_split
from tests.fakes.numbered import cell_of, numbered_frame
from yolorknn.cli.app import app
from yolorknn.cli.show import in_words
from yolorknn.errors import BackendError, OutputError, SourceError
from yolorknn.predict.open_model import Place
from yolorknn.stream.sinks.video import VideoWriter
from yolorknn.tasks.task import Thresholds


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recorder:
    """Give the command a detector of numbers, whatever model it asks for."""
    return replace_function(
        monkeypatch, "yolorknn.predict.loaded_model.LoadedModel", number_detector(tmp_path, cores=2)
    )


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), numbered_frame(number, NUMBERS.imgsz))
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of three frames."""
    with VideoWriter(tmp_path / "clip.mp4", fps=20, size=NUMBERS.imgsz) as writer:
        for _ in range(3):
            writer.write(numbered_frame(0, NUMBERS.imgsz))
    return tmp_path / "clip.mp4"


DEFAULTS = {
    "thresholds": Thresholds(),
    "classes": None,
    "names": None,
    "runtime": "auto",
    "contexts": 2,
    "backends": None,
}
STAGES = r"ms per frame: capture N, wait N, preprocess N, infer N, postprocess N, reorder N; core use P P"


def figures(text: str) -> list[str]:
    """Return the lines with what was measured replaced by letters."""
    return re.sub(r"\d+%", "P", re.sub(r"\d+\.\d", "N", text)).splitlines()


def test_what_it_passes_on(detector: Recorder, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("detect", "in", "-m", "m.rknn")
    assert detector.call == {"model": Path("m.rknn"), **DEFAULTS}
    assert done.stdout == ""
    assert figures(done.stderr) == [
        *(f"in/{number}.png: 1 {NUMBERS.names[number]}" for number in range(4)),
        f"found {', '.join(f'1 {name}' for name in NUMBERS.names[:4])}",
        "4 frames in N s (N FPS)",
        STAGES,
        "results in runs/detect/in",
    ]
    made = sorted(path.name for path in Path("runs/detect/in").iterdir())
    assert made == ["0.png", "1.png", "2.png", "3.png", "detections.jsonl"]
    rows = [json.loads(line) for line in Path("runs/detect/in/detections.jsonl").read_text().splitlines()]
    assert [(row["source"], row["frame"]) for row in rows] == [(f"in/{number}.png", number) for number in range(4)]
    with pytest.raises(BackendError, match="closed"):
        detector.answer.detect(numbered_frame(0, NUMBERS.imgsz))


def test_every_option(detector: Recorder, images: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    words = ["--model", "m.onnx", "--conf", 0.5, "--iou", 0.6, "--classes", "star, 0", "--max-det", 7]
    words += ["--agnostic-nms", "--names", tmp_path / "names.txt", "-o", tmp_path / "out", "--name", "[mine]"]
    words += ["--runtime", "c", "--contexts", 3]
    done = run("detect", images / "2.png", *words, "--save", "--json", "-")
    assert detector.call == {
        "model": Path("m.onnx"),
        "thresholds": Thresholds(0.5, 0.6, 7, agnostic_nms=True),
        "classes": ["star", "0"],
        "names": ["a", "b"],
        "runtime": "c",
        "contexts": 3,
        "backends": None,
    }
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["source"] == str(images / "2.png")
    assert [path.name for path in (tmp_path / "out/[mine]").iterdir()] == ["2.png"]
    assert figures(done.stderr)[-1] == f"results in {tmp_path / 'out/[mine]'}"


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (("--simulate",), Place(simulate=True)),
        (("--simulate", "--dataset", "images"), Place(simulate=True, dataset=Path("images"))),
        (("--device",), Place(device=True)),
        (("--device-id", "x:5555"), Place(device_id="x:5555")),
    ],
)
def test_another_place(
    detector: Recorder, images: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], place: Place
) -> None:
    names, out = images.parent / "names.txt", images.parent / "out"
    names.write_text("a\n")
    backends = [NumberBackend(NUMBERS)]
    opened = replace_function(monkeypatch, "yolorknn.predict.open_model.open_model", (NUMBERS, backends))
    for model in ("m.rknn", "m.onnx"):
        detector.answer = number_detector(images.parent)
        done = run("detect", images, "-m", model, "--names", names, "-o", out, *options)
        assert opened.calls.pop() == {"path": Path(model), "place": place, "names": ["a"], "progress": BAR}
        assert detector.calls.pop() == {"model": Path(model), **DEFAULTS, "names": ["a"], "backends": backends}
        told = done.stderr.splitlines()[0] == "simulating fp16; pass --dataset to simulate int8"
        assert told is (model == "m.onnx" and options == ("--simulate",))


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


def test_images_that_cannot_be_read(detector: Recorder, images: Path, tmp_path: Path) -> None:
    (images / "1.png").write_bytes(b"junk")
    done = CliRunner().invoke(app, ["detect", str(images), "-m", "m.rknn", "-o", str(tmp_path / "out")])
    why = f"{images / '1.png'} is not a readable image: it is damaged"
    assert done.exit_code == 1 and isinstance(done.exception, SourceError)
    assert str(done.exception) == f"1 of 4 frames could not be read: {why}"
    said = figures(done.stderr)
    assert [line for line in said if line.startswith(str(images))] == [
        f"{images / f'{number}.png'}: 1 {NUMBERS.names[number]}" for number in (0, 2, 3)
    ]
    assert [line for line in said if not line.startswith((str(images), "found "))] == [
        f"skipped: {why}",
        "3 frames in N s (N FPS)",
        STAGES,
        f"results in {tmp_path / 'out/in'}",
    ]


def test_an_interrupted_run_says_what_there_is(
    detector: Recorder, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object, __: object, *, counted: Callable[[int], None], skipped: object) -> None:
        counted(7)
        raise KeyboardInterrupt

    monkeypatch.setattr("yolorknn.stream.run.run", interrupted)
    words = ["detect", str(images), "-m", "m.rknn", "-o", str(tmp_path / "out")]
    for options, end in (([], f"; results in {tmp_path / 'out/in'}"), (["--no-save", "--json", "-"], "")):
        done = CliRunner().invoke(app, [*words, *options])
        assert f"interrupted after 7 frames{end}\n" in done.stderr and done.exit_code != 0
        detector.answer = number_detector(tmp_path, cores=2)


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

    monkeypatch.setattr("yolorknn.stream.sinks.json_lines.JsonLines", closing("JsonLines"))
    monkeypatch.setattr("yolorknn.stream.sinks.pictures.Pictures", closing("Pictures"))
    said = refused("detect", images, "-m", "m.rknn", "-o", tmp_path / "out")
    assert said == "cannot write 0.png: No space left on device"
    assert closed == ["Pictures", "JsonLines"]
    assert not (tmp_path / "out").exists()


def test_what_fails_or_is_mistyped(detector: Recorder, images: Path, tmp_path: Path) -> None:
    assert misused("detect", "-m", "m.rknn").startswith("Missing argument")
    assert misused("detect", images).startswith("Missing option '--model' / '-m'") or "'-m'" in misused(
        "detect", images
    )
    for option, value in (("--conf", 1.5), ("--iou", -0.1), ("--max-det", 0)):
        assert misused("detect", images, "-m", "m.rknn", option, value).startswith(f"Invalid value for '{option}'")
    assert misused("detect", images, "-m", "m.rknn", "--device", "--simulate") == (
        "Invalid value for --simulate, --device: a model runs on the simulator or on a board"
    )
    assert misused("detect", images, "-m", "m.rknn", "--dataset", "images") == (
        "Invalid value for --dataset: is for --simulate, which builds the model"
    )
    assert detector.calls == []
    assert refused("detect", "absent.jpg", "-m", "m.rknn").startswith("there is no file absent.jpg")
    detector.answer = BackendError("the runtime refused m.rknn")
    assert refused("detect", images, "-m", "m.rknn", "-o", tmp_path / "out").startswith("the runtime refused m.rknn")
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


def test_what_was_found_in_words() -> None:
    names = dict(enumerate(("person", "bus", "box", "berry", "toy", "日本", "skis", "glass", "Type 2", "STOP")))
    assert in_words({}, names) == "nothing"
    assert in_words({1: 1, 0: 4}, names) == "4 persons, 1 bus"
    assert in_words(dict.fromkeys(range(10), 2), names) == (
        "2 persons, 2 buses, 2 boxes, 2 berries, 2 toys, 2 日本, 2 skis, 2 glasses, 2 Type 2, 2 STOP"
    )


def test_names_that_cannot_be_drawn_are_told_of(
    detector: Recorder, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yolorknn.tasks.lettering.missing", lambda names: f"the name '{names[0]}' cannot be drawn")
    done = run("detect", images / "0.png", "-m", "m.rknn", "-o", images.parent / "out")
    assert done.stderr.startswith(f"the name '{NUMBERS.names[0]}' cannot be drawn\n")
