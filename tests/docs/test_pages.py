"""The README and docs/: every command and every line of Python is run, every link and name leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO, ROOT, needs_ort, needs_toolkit, needs_torch
from tests.docs.pages import BOARD, PAGES, README, blocks, commands
from tests.fakes.families import make_checkpoint
from yolorknn.convert.export.export import export

ELSEWHERE = {
    "sh scripts/demo.sh": "tests/docs/test_pages.py::test_the_demo_runs_twice",
    "sh scripts/test.sh": ".ci/run",
    "sh scripts/docs.sh": ".ci/run",
    "sh scripts/release.sh": ".ci/run",
    "sh scripts/board-emulator.sh": ".ci/run",
    "yolorknn deploy": "tests/deploy/test_deploy_emulator.py",
}
"""What begins so is run there."""
INSTALLING = {". .venv/bin/activate", "python3 -m venv .venv", "pip install .[board]"}
"""What scripts/release.sh and the emulated board do in environments of their own."""
SYSTEM = {
    *("sudo", "ssh", "ssh-copy-id", "timedatectl", "passwd", "ls", "strings", "python3", "curl"),
    *("~/.local/bin/uv", "v4l2-ctl"),
}
"""Of docs/board.md: what is the board's or the PC's system's."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name."""
    folder = tmp_path_factory.mktemp("pages")
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
    for task in ("seg", "cls"):
        made = make_checkpoint(f"yolov8n-{task}.yaml", folder, names=("a", "b", "c", "d", "e", "f"), imgsz=192)
        made.rename(folder / f"v8n-{task}.pt")
    export(folder / "v8n-cls.pt")
    return folder


def runs_elsewhere(words: tuple[str, ...]) -> bool:
    line = " ".join(words)
    return line in INSTALLING or any(line.startswith(start) for start in ELSEWHERE)


def test_what_is_run_elsewhere_is() -> None:
    typed = [" ".join(words) for words in commands(*PAGES)]
    for start, where in ELSEWHERE.items():
        file, _, function = where.partition("::")
        text = (ROOT / file).read_text()
        assert f"def {function}(" in text if function else start.split()[1] in text, start
        assert any(line.startswith(start) for line in typed), f"no page types {start}"


def test_board_md_types_what_its_systems_have() -> None:
    own = [words for words in commands(BOARD) if words[0] != "yolorknn" and not runs_elsewhere(words)]
    assert {words[0] for words in own} == SYSTEM
    done = subprocess.run(["sh", "-n", "-c", "".join(blocks(BOARD, "sh"))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_torch
@needs_ort
@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
def test_every_command_works(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's first and in their order, as they make the files; what runs a .rknn last, on a pretended board."""
    monkeypatch.setenv("CC", "gcc")  # the cross compiler's turn is in test_plugin.py
    board = []
    for words in commands(*PAGES):
        if runs_elsewhere(words):
            continue
        if any("plugin" in word for word in words):  # installed below a folder that stands for the board's root
            if shutil.which("gcc"):
                run([own_place(word, place) for word in words if word != "sudo"], place)
            continue
        if words[0] in SYSTEM and words in commands(BOARD):
            continue
        assert words[0] == "yolorknn", f"a command that no test runs: {words}"
        if {"--device", "--device-id"} & set(words):
            run([sys.executable, "-m", *words], place, refusal="adb finds no board")
        elif words[1] == "doctor":
            run([sys.executable, "-m", *words], place, finding=True)
        elif words[1] in ("detect", "bench") and "--simulate" not in words and any(".rknn" in word for word in words):
            board.append(words)
        else:
            run([sys.executable, "-m", *words], place)
    assert len(board) >= 6
    for words in board:
        run([sys.executable, str(ROOT / "tests/fakes/pretended_board.py"), *words[1:]], place)
    for script in dict.fromkeys(block for page in PAGES for block in blocks(page, "python")):
        run([sys.executable, "-c", script], place)


def own_place(word: str, place: Path) -> str:
    return word.replace("scripts/", f"{ROOT}/scripts/").replace("/usr/", f"{place}/usr/")


def run(command: list[str], place: Path, *, refusal: str = "", finding: bool = False) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)
    if finding and done.returncode == 1:
        assert "fix" in done.stdout and not done.stderr, (command, done)
        return
    assert done.returncode == (1 if refusal else 0), (command, done.stdout, done.stderr)
    assert refusal in done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text, project = page.read_text(), (ROOT / "pyproject.toml").read_text()
    for extras in re.findall(r"\.\[([\w,]+)\]", text):
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra
    for name in re.findall(r"(?:scripts|tests|examples|models|docs|plugins)/[\w/.-]+\.(?:py|sh|md|c|onnx|pt)\b", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_exists(page: Path) -> None:
    """Also the heading after a #."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}


EXPLAINED = [
    (page.name, row.split("`")[1])
    for page in (README, ROOT / "docs/errors.md")
    for table in re.findall(r"^\| You see \|.*\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    for row in table.splitlines()
    if row.startswith("| `")
]
VENDORS = ("libGL", "RKNN_ERR")
BLANKS = re.compile(r"\d+,\d+|\brk\d+|\bRTDETRDecoder\b|FILE|/dev/video0|\bthe YOLOv5 .*|build: \.\.\.")
"""What a message fills in."""


@pytest.fixture(scope="module")
def source() -> str:
    """The whole package; strings that stand in several lines joined."""
    text = "".join(path.read_text() for path in sorted((ROOT / "yolorknn").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize(("page", "message"), EXPLAINED)
def test_the_messages_it_explains_are_ours(page: str, message: str, source: str) -> None:
    """Each quoted message has a run of words that stands in the source."""
    assert len(EXPLAINED) >= 16
    if not any(words in message for words in VENDORS):
        fragment = max(BLANKS.split(message), key=len).strip(" :(,)")
        assert fragment in source, (page, message, fragment)


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
