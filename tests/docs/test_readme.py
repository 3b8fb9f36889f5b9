"""Every command and every line of Python in the README, run in its order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO, ROOT, needs_ort, needs_toolkit, needs_torch

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.strip()]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
SCRIPTS = {"sh scripts/demo.sh", "sh scripts/test.sh"}
"""demo.sh has a test of its own; test.sh is what runs this."""
INSTALLING = {". .venv/bin/activate", "python3 -m venv .venv", "pip install '.[board]'"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README names."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(DEMO, folder / "v8n.pt")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    shutil.copy(DATASET / "data.yaml", folder)
    images = sorted((DATASET / "images").glob("*.jpg"))[:12]
    writer = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 20.0, (320, 240))
    for path in images:
        shutil.copy(path, folder / "images")
        shutil.copy(DATASET / "labels" / f"{path.stem}.txt", folder / "labels")
        image = cv2.imread(str(path))
        assert image is not None
        writer.write(cv2.resize(image, (320, 240)))
    writer.release()
    shutil.copy(images[0], folder / "bus.jpg")
    return folder


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
def test_every_command_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc")  # the cross compiler's turn is in test_plugin.py
    board = []
    for line in COMMANDS:
        words = shlex.split(line, comments=True)
        if line in SCRIPTS or line in INSTALLING or line.startswith("yolorknn deploy "):  # of test_deploy_emulator.py
            continue
        if "plugin" in line:  # installed below a folder that stands for the board's root
            words = [word.replace("scripts/", f"{ROOT}/scripts/").replace("/usr/", f"{place}/usr/") for word in words]
            if shutil.which("gcc"):
                run([word for word in words if word != "sudo"], place)
            continue
        assert words[0] == "yolorknn", f"a command that no test runs: {line}"
        if {"--device", "--device-id"} & set(words):
            run([sys.executable, "-m", *words], place, refusal="adb finds no board")
            continue
        if (
            words[1] in ("detect", "bench")
            and any(word.endswith(".rknn") for word in words)
            and "--simulate" not in words
        ):
            board.append(words)
            continue
        run([sys.executable, "-m", *words], place)
    assert len(board) >= 4
    for words in board:
        run([sys.executable, str(ROOT / "tests/fakes/pretended_board.py"), *words[1:]], place)
    for script in PYTHON:
        run([sys.executable, "-c", script], place)


def run(command: list[str], place: Path, *, refusal: str = "") -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == (1 if refusal else 0), (command, done.stdout, done.stderr)
    assert refusal in done.stderr


def test_the_extras_it_names_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"\.\[(\w+)\]", TEXT):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_the_files_it_links_exist() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / name).exists(), name


def test_the_messages_it_explains_are_ours() -> None:
    """Each quoted message has a run of words that stands in the source."""
    source = "".join(path.read_text() for path in (ROOT / "yolorknn").rglob("*.py"))
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    for row in rows:
        message = row.split("`")[1]
        if "libGL" in message or "RKNN_ERR" in message:
            continue
        words = re.split(r"\d+,\d+|rk\d+|\bPose\b|FILE|/dev/video0|build: \.\.\.", message)
        fragment = max(words, key=len).strip(" :(,)")
        assert fragment in source.replace('"\n            f"', ""), (message, fragment)


@needs_torch
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv/bin/python").exists(), reason="not in the demo's .venv")
def test_the_demo_runs_twice() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    for _ in range(2):
        done = subprocess.run(
            ["sh", "scripts/demo.sh"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith("done: annotated pictures are in runs/demo/onnxruntime")
    for name in ("onnxruntime", "simulator"):
        pictures = list((ROOT / "runs/demo" / name).glob("*.jpg"))
        assert len(pictures) == 40
