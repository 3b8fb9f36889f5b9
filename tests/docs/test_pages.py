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
from typer.testing import CliRunner

from tests.conftest import DATASET, DEMO, ROOT, needs_ort, needs_toolkit, needs_torch
from tests.docs.pages import BOARD, PAGES, README, blocks, commands
from tests.fakes import other_networks
from tests.fakes.commands import refused, run
from tests.fakes.families import make_checkpoint
from tests.fakes.tiny_onnx import picture_net
from yolorknn.cli.app import app
from yolorknn.convert.export.export import export
from yolorknn.model.anchor_sizes import PUBLISHED

ELSEWHERE = {
    "sh scripts/demo.sh": "tests/docs/test_pages.py::test_the_demo_runs_twice",
    "sh scripts/test.sh": ".ci/run",
    "sh scripts/docs.sh": ".ci/run",
    "sh scripts/release.sh": ".ci/run",
    "sh scripts/board-emulator.sh": ".ci/run",
    "yolorknn toolkit install": "tests/convert/toolkit/test_environment.py::test_an_environment_is_made_and_used",
    "yolorknn export v8n.pt --platform rv1126": "tests/cli/test_first.py::test_export",
    "yolorknn build v8n.onnx --platform rv1126": "tests/convert/first/test_build.py::test_a_build",
    "yolorknn precompile": "tests/convert/first/test_build.py::test_a_board_pre_compiles",
    "yolorknn sklearn": "tests/integrations/sklearn/test_convert.py::test_fp16_gives_every_label_on_the_npu",
    "yolorknn deploy": "tests/deploy/test_deploy_emulator.py",
    "yolorknn deploy v8n-rk3588-i8.rknn --hosts": "tests/fleet/test_rollout.py::documented",
    "yolorknn deploy v8n-rk3588-i8.rknn board1": "tests/fleet/test_rollout.py::documented",
    "yolorknn deploy v8n-rk3588-i8.rknn --samples": "tests/fleet/test_rollout.py::documented",
    "yolorknn fleet": "tests/fleet/test_status.py::test_what_three_boards_say",
    "yolorknn node": "tests/integrations/ray/test_command.py::test_a_node_says_how_it_is_started",
    "yolorknn detect images/ --model v8n.onnx --ray": "tests/integrations/ray/test_command.py",
    "yolorknn val v8n-rk3588-i8.rknn --data data.yaml --simulate --ray": "tests/integrations/ray/test_side_by_side.py",
    "yolorknn build v8n.onnx --data data.yaml --max-drop 2 --ray": "tests/integrations/ray/test_side_by_side.py",
    "yolorknn detect images.parquet": "tests/integrations/ray/test_command.py",
    "cp new/": "tests/docs/test_watch_page.py::test_its_file_is_watched",
    "yolorknn watch": "tests/docs/test_watch_page.py::test_its_file_is_watched",
    "yolorknn mqtt": "tests/cli/test_mqtt.py::test_detect_says_over_mqtt",
    "yolorknn detect camera0 --model v8n-rk3588-i8.rknn --serve": "tests/cli/test_detect_serve.py::test_what_it_serves",
    "yolorknn detect rtsp://camera.local/live --model v8n-rk3588-i8.rknn --serve": (
        "tests/cli/test_detect_serve.py::test_what_it_serves"
    ),
    "yolorknn detect camera0 --model v8n-rk3588-i8.rknn --track": "tests/tracking/test_detect.py::test_detect_counts",
    "yolorknn detect camera0 --model v8n-rk3588-i8.rknn --mqtt": "tests/cli/test_mqtt.py::test_detect_says_over_mqtt",
}
"""What begins so is run there."""
INSTALLING = {
    ". .venv/bin/activate",
    "python3 -m venv .venv",
    "pip install .[board]",
    "pip install .[live]",
    "pip install .[track]",
    "pip install .[ray]",
    "pip install .[ray,val]",
}
"""What scripts/release.sh and the emulated board do in environments of their own."""
SYSTEM = {
    *("sudo", "ssh", "ssh-copy-id", "timedatectl", "passwd", "ls", "strings", "python3", "curl"),
    *("~/.local/bin/uv", "v4l2-ctl"),
}
"""Of docs/board.md: what is the board's or the PC's system's."""
DAEMONS = {"docker", "kubectl", "NPU_GROUP=105"}
"""What asks a daemon or a cluster, which are not here; tests/containers has the words and the files looked at."""
CONTAINERS = {"mkdir", "python3", "chmod"}
"""Of docs/scale.md, run by tests/containers/test_page.py."""


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
    for name in ("bus.jpg", "large.jpg"):
        shutil.copy(images[0], folder / name)
    picture_net(folder / "resnet18.onnx")
    for task in ("seg", "cls"):
        made = make_checkpoint(f"yolov8n-{task}.yaml", folder, names=("a", "b", "c", "d", "e", "f"), imgsz=192)
        made.rename(folder / f"v8n-{task}.pt")
    export(folder / "v8n-cls.pt")
    other_networks.write(folder / "v5.onnx", other_networks.anchored(6), names=["small", "middle", "large"])
    (folder / "RK_anchors.txt").write_text("\n".join(map(str, PUBLISHED["yolov7"])))
    return folder


def runs_elsewhere(words: tuple[str, ...]) -> bool:
    line = " ".join(words)
    return line in INSTALLING or any(line.startswith(start) for start in ELSEWHERE)


def is_a_systems(words: tuple[str, ...]) -> bool:
    of_containers = words[0] in DAEMONS | CONTAINERS and words in commands(ROOT / "docs/scale.md")
    return of_containers or (words[0] in SYSTEM and words in commands(BOARD))


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
    monkeypatch.chdir(place)
    monkeypatch.setenv("CC", "gcc")  # the cross compiler's turn is in test_compiled.py
    board = []
    for words in commands(*PAGES):
        if runs_elsewhere(words):
            continue
        if words[0] not in DAEMONS and any("plugin" in word for word in words):  # below a folder for the board's root
            if shutil.which("gcc"):
                start([own_place(word, place) for word in words if word != "sudo"], place)
            continue
        if is_a_systems(words):
            continue
        assert words[0] == "yolorknn", f"a command that no test runs: {words}"
        if {"--device", "--device-id"} & set(words):
            assert "adb finds no board" in refused(*words[1:])
        elif words[1] == "doctor":
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0 or (done.exit_code == 1 and "fix" in done.stdout and not done.stderr), words
        elif words[1] in ("detect", "bench") and "--simulate" not in words and any(".rknn" in word for word in words):
            board.append(words)
        else:
            run(*words[1:])
    assert len(board) >= 6
    for words in board:
        start([sys.executable, str(ROOT / "tests/fakes/pretended_board.py"), *words[1:]], place)
    for script in dict.fromkeys(block for page in PAGES for block in blocks(page, "python")):
        if script.startswith("import ray\n"):
            continue  # tests/integrations/ray/test_command.py has it run where Ray is
        exec(compile(script, "a page", "exec"), {"__name__": "__main__"})


def own_place(word: str, place: Path) -> str:
    return word.replace("scripts/", f"{ROOT}/scripts/").replace("/usr/", f"{place}/usr/")


def start(command: list[str], place: Path) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


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
