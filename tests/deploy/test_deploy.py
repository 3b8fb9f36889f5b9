"""Deploying, without a board: matching boxes, the wheel, the unit's text, what is refused before connecting."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import yolorknn
from tests.conftest import DATASET, DEMO_ONNX
from tests.fakes.encode import split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn import DeployError, Detections, ModelError, SourceError
from yolorknn.deploy import deploy, service
from yolorknn.deploy.install import Board, absolute
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.deploy.wheels import board_requirements, board_wheel, wheel_version
from yolorknn.files import sha256
from yolorknn.model.metadata import Build
from yolorknn.tasks.agreement import SAME_BOX, Compared, check, compare, table, total


def detections(*rows: tuple[float, ...]) -> Detections:
    array = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(array[:, :4], array[:, 4], array[:, 5].astype(np.int64))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """IoU by counting unit squares of boxes with whole sides."""
    grids = []
    for x1, y1, x2, y2 in (a.astype(int), b.astype(int)):
        grid = np.zeros((64, 64), bool)
        grid[y1:y2, x1:x2] = True
        grids.append(grid)
    union = (grids[0] | grids[1]).sum()
    return float((grids[0] & grids[1]).sum() / union) if union else 0.0


corner = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
box = st.tuples(corner, st.integers(0, 100), st.integers(0, 2)).map(
    lambda v: (v[0][0], v[0][1], v[0][0] + v[0][2], v[0][1] + v[0][3], v[1] / 100, v[2])
)
boxes = st.lists(box, max_size=6).map(lambda rows: detections(*rows))


@given(boxes, boxes)
def test_matching_is_a_matching(pc: Detections, board: Detections) -> None:
    """Each matched IoU is one of a pair of one class, and what is left over has no pair."""
    found = compare("x", pc, board)
    pairs = [
        (i, j, overlap(pc.xyxy[i], board.xyxy[j]))
        for i in range(len(pc))
        for j in range(len(board))
        if pc.class_id[i] == board.class_id[j]
    ]
    good = [pair for pair in pairs if pair[2] >= SAME_BOX]
    assert found.matched <= min(len(pc), len(board), len(good))
    assert (found.matched > 0) == bool(good)
    assert list(found.ious) == sorted(found.ious, reverse=True)
    for iou in found.ious:
        assert any(iou == pytest.approx(pair[2], abs=1e-6) for pair in good)
    if good:
        assert found.ious[0] == pytest.approx(max(pair[2] for pair in good), abs=1e-6)
    rows = {i for i, _, _ in good}
    assert found.matched >= min(1, len(rows)) and 0 <= found.agreement <= 1
    back = compare("x", board, pc)
    assert back.matched == found.matched and back.ious == pytest.approx(found.ious)


@given(boxes)
def test_a_board_agrees_with_itself(found: Detections) -> None:
    same = compare("x", found, found)
    assert same.agreement == 1 and same.ious == pytest.approx([1.0] * len(found))


def test_what_is_missing_and_what_is_extra() -> None:
    pc = detections((0, 0, 10, 10, 0.9, 1), (20, 20, 30, 30, 0.8, 1), (40, 40, 50, 50, 0.7, 2))
    board = detections(
        (0, 0, 10, 9, 0.85, 1), (20, 20, 30, 30, 0.8, 3), (40, 40, 50, 50, 0.75, 2), (0, 0, 3, 3, 0.3, 0)
    )
    row = compare("a.jpg", pc, board)
    assert (row.pc, row.board, row.matched) == (3, 4, 2)
    assert row.ious == pytest.approx([1.0, 0.9]) and row.differences == pytest.approx([0.05, -0.05])
    assert row.agreement == pytest.approx(4 / 7)
    lines = [line.split("  ") for line in table([row, compare("b", detections(), detections())]).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[1][:7] == ["a.jpg", "3", "4", "2", "1", "2", "0.950"] and cells[2] == ["b", *["0"] * 5, "-", "-"]
    assert cells[3][:6] == ["all 2 images", "3", "4", "2", "1", "2"]


def test_the_least_agreement() -> None:
    good = Compared("", 10, 10, (0.9,) * 8, (0.0,) * 8)
    check([good], "x.onnx")
    check([Compared("", 0, 0, (), ())], "x.onnx")
    with pytest.raises(DeployError, match=r"agrees with x\.onnx in 75% of the boxes, less than 80%"):
        check([good, Compared("", 10, 10, (0.9,) * 7, (0.0,) * 7)], "x.onnx")
    assert total([good, good]).matched == 16


def test_the_wheel_is_this_package(tmp_path: Path) -> None:
    wheel = board_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == [wheel]
    (about,) = importlib.metadata.distributions(path=[str(wheel)])
    assert about.version == wheel_version(wheel) and about.version.startswith(f"{yolorknn.__version__}+")
    required = {requirement.partition(">")[0] for requirement in about.requires or []}
    assert required == {"numpy", "opencv-python-headless", "typer", "rich", "rknn-toolkit-lite2"}
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("RECORD")]
        (record,) = set(archive.namelist()) - set(names)
        lines = archive.read(record).decode().splitlines()
        assert [line.partition(",")[0] for line in lines] == [*names, record]
        for name, line in zip(names, lines, strict=False):
            data = archive.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert line == f"{name},sha256={digest},{len(data)}"
    package = Path(yolorknn.__file__).parent
    ours = {str(path.relative_to(package.parent)) for path in package.rglob("*.py")}
    assert ours | {"yolorknn/py.typed"} == {name for name in names if name.startswith("yolorknn/")}
    code = "import yolorknn; print(yolorknn.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(wheel)}, cwd=tmp_path, capture_output=True, check=True
    )
    assert str(wheel) in done.stdout.decode()
    assert board_wheel(tmp_path) == wheel, "the same content has the same version"


def test_another_content_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "yolorknn"
    shutil.copytree(Path(yolorknn.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(yolorknn, "__file__", str(copy / "__init__.py"))
    one = board_wheel(tmp_path)
    with (copy / "errors.py").open("a") as file:
        file.write("# another\n")
    assert wheel_version(board_wheel(tmp_path)) != wheel_version(one)


def test_requirements_lose_their_markers() -> None:
    declared = [
        "numpy>=1.23",
        "opencv-python>=4.8",
        'rknn-toolkit-lite2>=2.3.2; (platform_machine == "aarch64") and extra == "board"',
        "torch; extra == 'pc'",
        "opencv-python-headless; extra == 'board'",
    ]
    assert board_requirements(declared) == [
        "numpy>=1.23",
        "opencv-python-headless>=4.8",
        "rknn-toolkit-lite2>=2.3.2",
        "opencv-python-headless",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
@pytest.mark.parametrize("folder", ["/home/rock/yolorknn", '/srv/a b\'s 100% $HOME "q" \\n'])
@pytest.mark.parametrize("source", ["camera0", "rtsp://u:p%40@cam/$x?a='b'&c=\"d\"\\"])
def test_systemd_takes_the_unit(tmp_path: Path, folder: str, source: str) -> None:
    text = service.unit(source, "m %n.rknn", folder=folder, user="root", groups=("video", "render"))
    unit = tmp_path / "yolorknn-cam.service"

    def verify(text: str) -> tuple[int, str]:
        unit.write_text(text)
        command = ["systemd-analyze", "verify", "--man=no", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, "".join(line for line in done.stderr.splitlines() if unit.name in line)

    assert verify(text) == (0, "")
    assert verify(text.replace("/usr/bin/env", "/usr/bin/absent"))[0] != 0, "it does look"
    assert "Unknown key" in verify(text.replace("RestartSec", "RestartSeconds"))[1]
    assert "Restart=on-failure" in text and "SupplementaryGroups=video render" in text


def test_names_of_units() -> None:
    assert service.unit_name("camera0") == "yolorknn-camera0.service"
    assert service.unit_name("/dev/video1") == "yolorknn-dev-video1.service"
    assert service.unit_name("rtsp://me:secret@10.0.0.2:554/live?x=1") == "yolorknn-10-0-0-2-live.service"
    assert service.unit_name("../..") == "yolorknn-source.service"


def test_folders_of_the_board() -> None:
    board = Board("/usr/bin/python3", python=(3, 11), glibc=36, home="/home/rock", user="rock", root=False, groups=())
    assert absolute(board, "yolorknn") == "/home/rock/yolorknn" == absolute(board, "~/yolorknn/")
    assert absolute(board, "/srv/y z") == "/srv/y z" and absolute(board, "~") == "/home/rock"


def test_the_reason_of_a_failure() -> None:
    assert Done(1, "", "ERROR: Could not\n\nhint: x\n").reason == "Could not"
    assert Done(1, "", "a\nb\n").reason == "b" and Done(3, "", "").reason == "exit status 3"


def test_no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DeployError, match="sudo apt install openssh-client"), Remote("board"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_before_connecting(tmp_path: Path) -> None:
    remote = Remote("nowhere.invalid")  # never entered
    build = Build("rk3588", "i8", "2.3.2", dataset=str(tmp_path / "gone"), images=3)
    metadata = replace(split_metadata((64, 64), 3), source="m.onnx", sha256=sha256(DEMO_ONNX), build=build)
    model = write_rknn(tmp_path / "m.rknn", metadata)
    with pytest.raises(ModelError, match="cannot read the model"):
        deploy.deploy(remote, tmp_path / "absent.rknn")
    with pytest.raises(ModelError, match=r"there is no .*m\.onnx, with which to compare"):
        deploy.deploy(remote, model, samples=DATASET)
    shutil.copy(DEMO_ONNX, tmp_path / "m.onnx")
    for samples in (None, tmp_path / "absent"):
        with pytest.raises(SourceError, match=r"there is no .*(gone|absent) to compare on: give --samples"):
            deploy.deploy(remote, model, samples=samples)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty has no images to compare on"):
        deploy.deploy(remote, model, samples=tmp_path / "empty")
    with (tmp_path / "m.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="has changed since"):
        deploy.deploy(remote, model, samples=DATASET)
