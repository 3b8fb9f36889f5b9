"""Temporary files and folders: names that nobody can prepare, and what a killed process left goes with the next."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.fakes.forks import forked
from yolorknn import scratch
from yolorknn.errors import OutputError
from yolorknn.files import atomic, atomic_folder, check_folder, open_log, write_bytes
from yolorknn.scratch import clear_leftovers, temporary_file, temporary_folder


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_cleared", set())


def start(folder: Path, code: str) -> subprocess.Popen[str]:
    """Run code that prints a line when it is where it is to be killed."""
    words = [sys.executable, "-c", f"import time\nfrom pathlib import Path\nfolder = Path({str(folder)!r})\n{code}"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=10)


HOLDING = """
from yolorknn.files import atomic, atomic_folder
from yolorknn.scratch import temporary_folder
with atomic(folder / 'a.jpg') as one, atomic_folder(folder / 'b') as two, temporary_folder('x', parent=folder) as three:
    for path in (one, two / 'file', three / 'file'):
        path.write_text('half')
    print('there', flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_cleared_and_a_living_ones_stays(tmp_path: Path) -> None:
    (tmp_path / ".yolorknn-notes").touch()
    (tmp_path / f".yolorknn-{'0' * 16}").symlink_to("/etc/passwd")
    mine = set(tmp_path.iterdir())
    dead, living = start(tmp_path, HOLDING), start(tmp_path, HOLDING)
    try:
        assert len(set(tmp_path.iterdir()) - mine) == 6
        kill(dead)
        write_bytes(tmp_path / "result.json", b"{}")
        assert len(set(tmp_path.iterdir()) - mine) == 1 + 3, "what the living one holds"
    finally:
        kill(living)
    scratch._cleared.clear()
    check_folder(tmp_path)
    assert set(tmp_path.iterdir()) - mine == {tmp_path / "result.json"}


def test_folders_for_temporary_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = "from yolorknn.scratch import temporary_folder\nwith temporary_folder('build'): "
    kill(start(tmp_path, f"{code}print('there', flush=True); time.sleep(60)"))
    (left,) = tmp_path.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    with temporary_folder("build") as folder:
        assert list(tmp_path.iterdir()) == [folder] and folder != left


@pytest.mark.parametrize("when", ["before it is open", "before it is held", "while it is held"])
def test_what_another_process_takes_for_a_dead_ones_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Whoever clears a folder sees there what was made a moment ago, and is not held yet."""
    opening, holding = os.open, fcntl.flock
    taken: list[Path] = []

    def opened(path: Path, *how: int) -> int:
        if when == "before it is open" and Path(path).is_dir() and not taken:
            taken.append(path)
            path.rmdir()
        return opening(path, *how)

    def held(descriptor: int, how: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if when != "before it is open" and not taken:
            taken.append(path)
            if when == "while it is held":
                raise BlockingIOError
            path.rmdir() if path.is_dir() else path.unlink()
        holding(descriptor, how)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(fcntl, "flock", held)
    with temporary_folder("x", parent=tmp_path) as folder:
        assert taken and folder not in taken and folder.is_dir()
    if when != "before it is open":
        taken.clear()
        with temporary_file(tmp_path, ".jpg") as file:
            assert taken and file not in taken and file.is_file()


def test_names_cannot_be_guessed(tmp_path: Path) -> None:
    makers: list[Callable[[], AbstractContextManager[Path]]] = [
        lambda: atomic(tmp_path / "a.jpg"),
        lambda: temporary_file(tmp_path, ".jpg"),
        lambda: atomic_folder(tmp_path / "b"),
        lambda: temporary_folder("x"),
    ]
    for make in makers:
        names = set()
        for _ in range(3):
            with make() as path:
                names.add(path.name)
                assert not path.is_symlink() and path.exists()
        assert len(names) == 3 and not any(str(os.getpid()) == part for name in names for part in name.split("-"))


def test_a_name_that_is_taken_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)
    (tmp_path / f".yolorknn-{'0' * 16}.txt").symlink_to(victim)
    with pytest.raises(OutputError, match="File exists"):
        write_bytes(tmp_path / "result.txt", b"theirs")
    assert victim.read_text() == "mine"


def test_a_result_in_place_of_a_link_replaces_the_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("result.json", "build.log"):
        (tmp_path / name).symlink_to(victim)
    write_bytes(tmp_path / "result.json", b"{}")
    for empty in (True, False):
        with open_log(tmp_path / "build.log", empty=empty) as log:
            log.write(b"line\n")
    assert victim.read_text() == "mine"
    assert (tmp_path / "result.json").read_bytes() == b"{}" and (tmp_path / "build.log").read_text() == "line\nline\n"
    assert not any(path.is_symlink() for path in tmp_path.iterdir())


def test_results_have_the_permissions_of_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "result", b"")
    with atomic_folder(tmp_path / "made"):
        pass
    (tmp_path / "folder").mkdir()
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "folder").stat().st_mode


def test_names_of_any_length(tmp_path: Path) -> None:
    name = "n" * 251 + ".jpg"
    write_bytes(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_is_looked_through_once(tmp_path: Path) -> None:
    clear_leftovers(tmp_path)
    left = tmp_path / f".yolorknn-{'0' * 16}"
    left.touch()
    clear_leftovers(tmp_path)
    assert left.exists()


def test_a_folder_that_is_still_written_to_goes_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a child that was told to end does, between the look into the folder and its removal."""
    removed, late = shutil.rmtree, iter(("first", "second"))

    def disturbed(path: Path, **options: Any) -> None:
        removed(path, **options)
        if name := next(late, ""):
            path.mkdir()
            (path / name).write_text("late")

    monkeypatch.setattr(shutil, "rmtree", disturbed)
    with temporary_folder("kind", parent=tmp_path):
        pass
    assert not list(tmp_path.iterdir()) and next(late, "none") == "none"


class Interrupt:
    """Ctrl-C when so many calls of the system were made by what makes temporary files."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "c_return" and frame.f_globals.get("__name__") in (scratch.__name__, "pathlib"):
            self.left -= 1
            if self.left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_ctrl_c_at_any_moment_leaves_nothing(tmp_path: Path, kind: str) -> None:
    for after in itertools.count():
        through = False
        try:
            sys.setprofile(Interrupt(after))
            with temporary_file(tmp_path, ".x") if kind == "file" else temporary_folder("x", parent=tmp_path):
                sys.setprofile(None)
                through = True
        except KeyboardInterrupt:
            assert not through
        assert not list(tmp_path.iterdir()), after
        if through:
            break
    assert after > 3


def test_a_process_that_is_forked_removes_nothing(tmp_path: Path) -> None:
    for made in (temporary_file(tmp_path, ".x"), temporary_folder("x", parent=tmp_path)):
        path = made.__enter__()
        assert forked(lambda made=made: made.__exit__(None, None, None)) == "ended"  # type: ignore[misc]
        assert path.exists()
        made.__exit__(None, None, None)
        assert not path.exists()
