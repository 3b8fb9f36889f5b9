"""What detect passes on, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fakes.backends import NUMBERS, NumberBackend, number_detector
from tests.fakes.commands import BAR, Recorder, misused, refused, replace_function, run
from tests.fakes.numbered import numbered_frame
from yolorknn.cli.app import app
from yolorknn.cli.outputs import Outputs
from yolorknn.cli.show import in_words
from yolorknn.errors import BackendError, ModelError, SourceError
from yolorknn.predict.open_model import Place
from yolorknn.stream.tiled import Tiling
from yolorknn.tasks.task import Thresholds

DEFAULTS = {
    "thresholds": Thresholds(),
    "classes": None,
    "names": None,
    "anchors": None,
    "runtime": "auto",
    "contexts": 2,
    "backends": None,
    "tiling": None,
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


def test_tiles_that_are_none(detector: Recorder, images: Path) -> None:
    for words, said in (
        (("--tile", 0), "'0' is not a size: give 640, or height,width as 384,640"),
        (("--tile", 31), "a tile is at least 32 pixels high and wide, not (31, 31)"),
        (("--tile", 640, "--overlap", 1), "overlap is between 0 and 0.9, not 1.0"),
        (("--overlap", 0.3), "is for --tile, which cuts the frames"),
    ):
        assert misused("detect", images, "-m", "m.onnx", *words).endswith(said)
    assert detector.calls == []


def test_a_classifier_finds_no_objects() -> None:
    for outputs, chosen, option in ((Outputs(crops=Path("c")), False, "--crops"), (Outputs(), True, "--classes")):
        with pytest.raises(ModelError, match=f"m.onnx classifies whole images .*: leave out {option}"):
            outputs.check_task(Path("m.onnx"), "classify", chosen=chosen)
        outputs.check_task(Path("m.onnx"), "detect", chosen=chosen)


def test_every_option(detector: Recorder, images: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    words = ["--model", "m.onnx", "--conf", 0.5, "--iou", 0.6, "--classes", "star, 0", "--max-det", 7]
    words += ["--agnostic-nms", "--names", tmp_path / "names.txt", "-o", tmp_path / "out", "--name", "[mine]"]
    (tmp_path / "anchors.txt").write_text("16\n32\n")
    words += ["--anchors", tmp_path / "anchors.txt", "--runtime", "c", "--contexts", 3]
    words += ["--tile", "320,480", "--overlap", 0.4]
    done = run("detect", images / "2.png", *words, "--save", "--json", "-")
    assert detector.call == {
        "model": Path("m.onnx"),
        "thresholds": Thresholds(0.5, 0.6, 7, agnostic_nms=True),
        "classes": ["star", "0"],
        "names": ["a", "b"],
        "anchors": (16, 32),
        "runtime": "c",
        "contexts": 3,
        "backends": None,
        "tiling": Tiling((320, 480), 0.4),
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
        (("--simulate", "--toolkit", "2.5.0"), Place(simulate=True, toolkit="2.5.0")),
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
        assert opened.calls.pop() == {
            "path": Path(model),
            "place": place,
            "names": ["a"],
            "anchors": None,
            "progress": BAR,
        }
        assert detector.calls.pop() == {"model": Path(model), **DEFAULTS, "names": ["a"], "backends": backends}
        told = done.stderr.splitlines()[0] == "simulating fp16; pass --dataset to simulate int8"
        assert told is (model == "m.onnx" and place.simulate and place.dataset is None)


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
    def interrupted(*_: object, counted: Callable[[int], None], **__: object) -> None:
        counted(frames)
        raise KeyboardInterrupt

    monkeypatch.setattr("yolorknn.stream.run.run", interrupted)
    words = ["detect", str(images), "-m", "m.rknn", "-o", str(tmp_path / "out")]
    for frames, options, end in ((7, [], f"; results in {tmp_path / 'out/in'}"), (1, ["--no-save", "--json", "-"], "")):
        done = CliRunner().invoke(app, [*words, *options])
        said = f"interrupted after {'7 frames' if frames == 7 else '1 frame'}{end}\n"
        assert said in done.stderr and done.exit_code != 0
        detector.answer = number_detector(tmp_path, cores=2)


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
    assert "is for a camera or stream: of files every" in misused("detect", images, "-m", "m.rknn", "--fps", 5)
    for wrong in (0, -1, "nan", "inf", 1e7):
        assert "is above 0, and 1000000 at most, not" in misused("detect", "camera0", "-m", "m.rknn", "--fps", wrong)
    assert detector.calls == []
    assert refused("detect", "absent.jpg", "-m", "m.rknn").startswith("there is no file absent.jpg")
    detector.answer = BackendError("the runtime refused m.rknn")
    assert refused("detect", images, "-m", "m.rknn", "-o", tmp_path / "out").startswith("the runtime refused m.rknn")
    assert not (tmp_path / "out").exists()


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
