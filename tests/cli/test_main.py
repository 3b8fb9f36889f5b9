"""What any command does as a user types it: one sentence and status 1, usage and 2, nothing half written."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO, DEMO_ONNX, needs_ort, needs_toolkit, needs_torch
from tests.fakes.commands import yolorknn
from yolorknn.__main__ import interrupt, run
from yolorknn.cli.app import app
from yolorknn.errors import YolorknnError

pytestmark = needs_ort
MAIN = "from yolorknn.__main__ import main; main()"


def refused(*arguments: object, cwd: Path) -> str:
    """Run what must fail with one sentence and leave nothing behind; return the sentence."""
    before = sorted(cwd.rglob("*"))
    done = yolorknn(*arguments, cwd=cwd)
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and sorted(cwd.rglob("*")) == before
    return line


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "empty.rknn").touch()
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "v.mp4").write_text("x")
    (tmp_path / "folder").mkdir()
    image = DATASET / "images/0000.jpg"
    for arguments, words in [
        (("detect", image, "--model", "absent.onnx"), "no model file absent.onnx"),
        (("detect", image, "--model", "empty.onnx"), "empty"),
        (("detect", image, "--model", "empty.rknn"), "empty"),
        (("detect", image, "--model", "text.txt"), "an .onnx or an .rknn"),
        (("detect", image, "--model", "folder"), "is a folder"),
        (("detect", image, "--model", DEMO), "yolorknn export"),
        (("detect", "absent.jpg", "--model", DEMO_ONNX), "no file absent.jpg"),
        (("detect", "camera63", "--model", DEMO_ONNX), "no camera"),
        (("detect", "v.mp4", "--model", DEMO_ONNX), "not a video"),
        (("detect", "folder", "--model", DEMO_ONNX), "no images"),
        (("detect", image, "--model", DEMO_ONNX, "--classes", "starr"), "did you mean 'star'?"),
        (("detect", image, "--model", DEMO_ONNX, "-o", "text.txt/x"), "cannot write"),
        (("detect", image, "--model", DEMO_ONNX, "--json", "/proc/x"), "cannot write"),
        (("info", "absent.rknn"), "no model file"),
        (("info", "text.txt"), "suffix"),
        (("info", "empty.rknn"), "empty"),
    ]:
        assert words in refused(*arguments, cwd=tmp_path)


@needs_torch
def test_bad_input_of_the_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each in this process, as importing torch is slow; of each kind of sentence one also in a process of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.onnx").write_text("x")
    (tmp_path / "none").mkdir()
    (tmp_path / "file").touch()
    for arguments, words in [
        (("export", "absent.pt"), "no checkpoint absent.pt"),
        (("export", "empty.pt"), "empty"),
        (("build", DEMO), "yolorknn export"),
        (("export", DEMO_ONNX), "is exported already: build it"),
        (("export", DEMO, "--dataset", "none"), "no images"),
        (("export", DEMO, "--imgsz", "330"), "use 320,320"),
        (("export", DEMO, "--platform", "rk9"), "unknown platform"),
        (("export", DEMO, "--dtype", "i8"), "--dataset"),
        (("export", DEMO, "--opset", "21"), "opset 21"),
        (("export", DEMO, "-o", "file/x"), "cannot write"),
        (("build", "absent.onnx"), "no model file"),
        (("build", "text.onnx"), "not ONNX"),
        (("build", DEMO_ONNX, "--dataset", "none", "-o", "."), "no images"),
    ]:
        before = sorted(tmp_path.rglob("*"))
        done = CliRunner().invoke(app, [str(word) for word in arguments])
        assert isinstance(done.exception, YolorknnError) and done.exit_code == 1, done
        sentence = str(done.exception)
        assert words in sentence and "\n" not in sentence
        assert done.output == "" and capfd.readouterr() == ("", "") and sorted(tmp_path.rglob("*")) == before
    assert "use 320,320" in refused("export", DEMO, "--imgsz", "330", cwd=tmp_path)
    assert "not ONNX" in refused("build", "text.onnx", cwd=tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("dtect",),
        ("detect",),
        ("detect", "x.jpg"),
        ("detect", "x.jpg", "--modl", "y"),
        ("export", "x.pt", "--head", "z"),
    ],
)
def test_mistyped_commands_say_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = yolorknn(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and "Error: " in done.stderr and "Traceback" not in done.stderr


def test_version_and_help(tmp_path: Path) -> None:
    assert yolorknn("--version", cwd=tmp_path).stdout.startswith("yolorknn 0.")
    assert yolorknn("-h", cwd=tmp_path).stdout == yolorknn("--help", cwd=tmp_path).stdout
    assert "--model" in yolorknn("detect", "-h", cwd=tmp_path).stdout


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.parametrize("command", ["export", "build", "detect images", "detect video"])
def test_a_full_disk(tmp_path: Path, video: Path, command: str) -> None:
    """The system refuses to let any file grow beyond 20 kB, as a full disk would."""
    arguments = {
        "export": ("export", DEMO, "--onnx-only", "-o", "out"),
        "build": ("build", DEMO_ONNX, "-o", "out"),
        "detect images": ("detect", DATASET / "images", "--model", DEMO_ONNX, "-o", "out"),
        "detect video": ("detect", video, "--model", DEMO_ONNX, "-o", "out", "--name", "run"),
    }[command]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); {MAIN}"
    process = [sys.executable, "-c", limited, *map(str, arguments)]
    done = subprocess.run(process, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert done.returncode == 1, done
    assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".log"]
    assert all(path.suffix in (".jpg", ".jsonl", ".mp4") for path in left), left
    for path in left:
        assert path.suffix != ".jpg" or cv2.imread(str(path)) is not None, "whole or not there"
        assert path.suffix != ".mp4" or cv2.VideoCapture(str(path)).read()[0], "it plays up to its last part"


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
def test_from_pt_to_boxes(tmp_path: Path) -> None:
    """The whole path in two commands."""
    shutil.copy(DEMO, tmp_path / "v8n.pt")
    done = yolorknn("export", "v8n.pt", "--dataset", DATASET, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines() == ["v8n.onnx", "v8n-rk3588-i8.rknn"]
    refusal = refused("detect", DATASET / "images", "--model", "v8n-rk3588-i8.rknn", cwd=tmp_path)
    assert "--simulate" in refusal and "v8n.onnx" in refusal
    image = DATASET / "images/0003.jpg"
    options = ("--model", "v8n-rk3588-i8.rknn", "--simulate", "--json", "-")
    simulated = yolorknn("detect", image, *options, cwd=tmp_path)
    assert simulated.returncode == 0, simulated.stderr
    assert json.loads(simulated.stdout)["detections"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("build m.onnx --dtype int8", "Did you mean 'i8'?"),
        ("build m.onnx --dtype half", "Did you mean 'fp16'?"),
        ("build m.onnx --algorithm kl", "Did you mean 'kl_divergence'?"),
        ("export m.pt --head spilt", "Did you mean 'split'?"),
        ("detect x --dtype i8", "it is an option of 'yolorknn export', 'yolorknn build', 'yolorknn sklearn', "),
        ("detect x --modl y", "--model"),
        ("predict x", "Did you mean 'detect'?"),
        ("dtect x", "Did you mean 'detect'?"),
    ],
)
def test_what_was_probably_meant(words: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["yolorknn", *words.split()])
    with pytest.raises(SystemExit) as ended:
        run()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "") and meant in err.splitlines()[-1]


def test_what_a_terminal_acts_on_is_written_out(tmp_path: Path) -> None:
    for name in ("a\x1b[31m\x9b0m\nerror: [bold]b.onnx", "a" * 300, os.fsdecode(b"a\x80.onnx")):
        done = yolorknn("info", name, cwd=tmp_path)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and line.startswith("error: ") and not {"\x1b", "\x9b"} & set(line)
    assert "\x1b" not in yolorknn("info", "a", "b\x1b[31m", cwd=tmp_path).stderr


@pytest.mark.parametrize("ends", ["| head -c 1", ">&-", ">/dev/full", "2>&-", "<&-"])
def test_closed_ends(tmp_path: Path, ends: str) -> None:
    image = DATASET / "images/0000.jpg"
    words = shlex.join(
        [sys.executable, "-m", "yolorknn", "detect", str(image), "-m", str(DEMO_ONNX), "--no-save", "--json", "-"]
    )
    done = subprocess.run(f"{words} {ends}", shell=True, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr, done.stderr
    if ends in (">&-", ">/dev/full"):
        assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: cannot ")


def test_words_that_nobody_reads_any_more_end_nothing(tmp_path: Path) -> None:
    """As of `watch ... 2> >(logger)` whose logger ended; results go where they went."""
    image = DATASET / "images/0000.jpg"
    words = [sys.executable, "-m", "yolorknn", "detect", str(image), "-m", str(DEMO_ONNX), "--no-save", "--json", "-"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=write, check=False, cwd=tmp_path)
    os.close(write)
    assert done.returncode == 0 and json.loads(done.stdout)["source"] == str(image)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, line ends, escape sequences, and all the letters that a name can have."""
    names = [b"a\x80\xff.jpg", b"b\x1b[31m\nx.jpg", b"n" * 251 + b".jpg", "né東.jpg".encode()]
    (tmp_path / "f").mkdir()
    for name in names:
        shutil.copy(DATASET / "images/0000.jpg", os.fsdecode(bytes(tmp_path / "f") + b"/" + name))
    done = yolorknn("detect", "f", "-m", DEMO_ONNX, "-o", "out", cwd=tmp_path)
    assert done.returncode == 0 and "4 frames" in done.stderr, done.stderr
    written = {os.fsencode(path.name) for path in (tmp_path / "out/f").iterdir()}
    assert written == {*names, b"detections.jsonl"}
    rows = (tmp_path / "out/f/detections.jsonl").read_bytes().decode("utf-8").splitlines()
    assert {os.fsencode(json.loads(row)["source"]) for row in rows} == {b"f/" + name for name in names}
    assert "\x1b" not in "".join(rows)


class Going:
    """Presses Ctrl-C when it goes, as it may come just then."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("made", [Going, lambda: weakref.finalize(set(), os.kill, os.getpid(), signal.SIGINT)])
def test_ctrl_c_while_an_object_goes_is_not_lost(made: Callable[[], object]) -> None:
    before = [signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGALRM)]
    try:
        with pytest.raises(KeyboardInterrupt):
            made()
            time.sleep(5)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)
