"""The log: kept where an error names it, gone otherwise; what is read from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yolorknn.convert.toolkit.log import Log, temporary_log


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_unless_an_error_names_it(scratch: Path) -> None:
    with temporary_log("x") as log:
        log.write("words")
        assert log.path.parent == scratch and log.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="another"), temporary_log("x"):
        raise ValueError("another")
    assert list(scratch.iterdir()) == []
    with pytest.raises(ValueError, match=r"\(log: "), temporary_log("x") as log:
        log.write("words")
        raise ValueError(log.name())
    assert log.path.read_text() == "words\n" and log.path.name.startswith("yolorknn-x-")


def test_that_of_a_killed_process_goes_with_the_next_run_and_one_that_was_named_stays(scratch: Path) -> None:
    code = (
        "import os, signal\nfrom yolorknn.convert.toolkit.log import temporary_log\n"
        "with temporary_log('x'), temporary_log('named') as named:\n"
        "    named.name()\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(scratch)}, check=False)
    assert len(list(scratch.iterdir())) == 2
    with temporary_log("x") as log:
        (named,) = set(scratch.iterdir()) - {log.path}
    assert named.name.startswith("yolorknn-named-")


def test_an_error_that_was_dealt_with_keeps_it_too(scratch: Path) -> None:
    """A user may have been shown it, as that of one inference of many."""
    with temporary_log("x") as log:
        said = log.name()
    assert str(log.path) in said and [*scratch.iterdir()] == [log.path]


@pytest.mark.parametrize(
    ("text", "last_words", "complaint", "bar"),
    [
        ("", "it printed nothing", None, None),
        ("I Loading : 12%\rI Loading : 70%\n", "it printed nothing", None, ("Loading", 0.7)),
        ("\x1b[31mE build: no!\x1b[0m\nI Saving : 5%\n", "E build: no!", None, ("Saving", 0.05)),
        ("E RKNN: Unkown op target: 0\nfine\n", "E RKNN: Unkown op target: 0", None, None),
        ("12:00 E RKNN: REGTASK\nfine\n", "12:00 E RKNN: REGTASK", "12:00 E RKNN: REGTASK", None),
        ("IndexError: x\nW nothing\n", "IndexError: x", None, None),
        ("plain \xff", "plain \xff", None, None),
    ],
)
def test_what_is_read(
    scratch: Path, text: str, last_words: str, complaint: str | None, bar: tuple[str, float] | None
) -> None:
    log = Log(scratch / "a.log")
    log.path.write_text(text, newline="")
    assert (log.last_words(), log.complaint(), log.bar()) == (last_words, complaint, bar)
