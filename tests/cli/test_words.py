"""Words that send a user on: what is wrong in a command, said alike by all, and what to give instead."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.conftest import DATASET, DEMO_ONNX, needs_ort, needs_torch
from tests.fakes.commands import misused, refused
from tests.fakes.commands import run as run_command
from yolorknn.__main__ import run
from yolorknn.cli.options import check_folder_name


def usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what is printed of a command that is wrong in itself."""
    monkeypatch.setattr(sys, "argv", ["yolorknn", *words])
    with pytest.raises(SystemExit) as ended:
        run()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    return err


@pytest.mark.parametrize("words", ["export m.pt --dataset", "detect x -m", "detect x --no-save=yes", "--version=3"])
def test_every_usage_error_shows_the_usage(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also that of an option without its value, or with one that it does not take."""
    first, *others = words.split()
    err = usage(monkeypatch, capsys, first, *others)
    assert re.fullmatch(
        rf"Usage: .* {first if others else ''}.*\nTry '.* (-h|--help)' for help.\n\nError: Option .*\n", err
    ), err


def test_a_glob_that_the_shell_has_expanded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few of the names, and what to do."""
    names = [f"in/{number:02}.jpg" for number in range(40)]
    assert usage(monkeypatch, capsys, "detect", *names, "-m", "m.onnx").splitlines()[-1] == (
        "Error: Got unexpected extra argument(s) (in/01.jpg in/02.jpg in/03.jpg and 36 others). "
        "For several images give their folder, or quote the glob as 'in/*.jpg'"
    )
    assert misused("build", "a.onnx", "b.onnx") == "Got unexpected extra argument(s) (b.onnx)"


def test_what_there_is_to_choose_from_is_on_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, choices in (("fleet", "status"), ("toolkit", "install, list")):
        said = usage(monkeypatch, capsys, command).splitlines()[-1]
        assert said == f"Error: Missing argument 'ACTION'. Choose from: {choices}"


@needs_ort
@needs_torch
@pytest.mark.parametrize("suffix", [".onnx", ".rknn"])
def test_an_absent_model_is_said_alike(suffix: str, tmp_path: Path) -> None:
    model, image = tmp_path / f"absent{suffix}", DATASET / "images/0000.jpg"
    commands: list[tuple[object, ...]] = [("detect", image, "-m", model), ("bench", model), ("info", model)]
    commands += [("doctor", "--model", model), ("val", model, "--data", DATASET / "data.yaml", "-o", tmp_path)]
    commands += [("build", model)] if suffix == ".onnx" else []
    for words in commands:
        assert refused(*words) == f"there is no model file {model}", words


@needs_torch
def test_an_onnx_is_exported_already() -> None:
    said = refused("export", DEMO_ONNX, "--onnx-only", "-o", DEMO_ONNX.parent)
    assert said == f"{DEMO_ONNX} is exported already: build it with 'yolorknn build {DEMO_ONNX}'"


def test_a_folder_where_a_data_yaml_is_meant() -> None:
    folder = DATASET / "images"
    for command in (("val",), ("export", "--max-drop", 1)):
        assert refused(*command, DEMO_ONNX, "--data", folder) == (
            f"{folder} is a folder: give the data.yaml with the labelled images; of a classifier, the folder that has "
            "a folder val or validation or valid or test, which this has not"
        )


@pytest.mark.parametrize(
    "words",
    ["export m.pt -o m.onnx", "build m.onnx -o m.RKNN", "calibrate in -o out.txt", "val m.onnx --data d -o v.json"]
    + [f"detect in -m m.onnx {option} out.mp4" for option in ("-o", "--record", "--snapshots", "--crops")],
)
def test_a_file_where_a_folder_is_meant(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is made that is called like a file; one that is there is taken."""
    monkeypatch.chdir(tmp_path)
    name = words.rsplit(maxsplit=1)[-1]
    assert f"'{name}' is called like a file: give a folder" in misused(*words.split())
    assert not list(tmp_path.iterdir())
    Path(name).mkdir()
    assert check_folder_name(Path(name)) == Path(name)


@pytest.mark.parametrize("head", ["192.168.1.10", "host:", "", "my board:6379", "a:1;reboot"])
def test_a_head_is_an_address_with_its_port(head: str) -> None:
    """The line that `node` prints is typed into a shell, and Ray wants the port."""
    assert misused("node", head).endswith(f"'{head}' is no HOST:PORT, as 192.168.1.10:6379")
    assert run_command("node", "[::1]:6379").stdout.startswith("ray start --address=[::1]:6379 ")
