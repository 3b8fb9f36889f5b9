"""Catching what the vendor's code writes to stderr: also where there is none, or no room for a file."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.fakes.pictured import is_of, picture
from tests.fakes.standin import Library, needs_compiler
from yolorknn import Detector
from yolorknn.runtime import stderr
from yolorknn.runtime.stderr import caught_stderr, give_back_stderr

SAYS = """
import os, sys
from yolorknn.runtime.stderr import caught_stderr
for _ in range(2):
    with caught_stderr() as said:
        os.write(2, b"E no such device\\n")
        print("more", file=sys.stderr)
    print(said())
try:
    os.fstat(2)
except OSError:
    print("closed")
"""


@needs_compiler
def test_a_model_opens_where_there_is_no_stderr_and_no_folder_for_files(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(tempfile, "tempdir", str(model / "nowhere"))
    for number in range(2):
        with Detector(model, runtime="c") as detector:
            is_of(detector.detect(picture(number)), number)
    assert sys.stderr is None


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_program_whose_stderr_is_closed(closed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", SAYS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["no such device"] * 2 + ["closed"])


def test_one_that_hung_and_returns_does_not_end_the_next() -> None:
    """Both may have the same descriptor as the copy of stderr."""
    with contextlib.ExitStack() as hung, open(os.devnull) as before:
        hung.enter_context(caught_stderr())
        give_back_stderr()
        before.close()
        with caught_stderr() as said:
            hung.close()
            os.write(2, b"E no such device\n")
        assert said() == "no such device"


@pytest.mark.parametrize("call", ["memfd_create", "dup"])
def test_a_process_that_may_open_no_more_files_keeps_its_stderr(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    before = os.fstat(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        with caught_stderr() as said:
            assert os.path.samestat(os.fstat(2), before)
    assert said() == "" and os.path.samestat(os.fstat(2), before)
    with caught_stderr() as said:
        os.write(2, b"E no such device\n")
    assert said() == "no such device"


OTHERS = """
import logging, os, sys, threading
from yolorknn.runtime.stderr import caught_stderr
logging.basicConfig(format="%(message)s")  # whose handler holds the stream

def others():
    print("printed", file=sys.stderr)
    logging.warning("logged: no error of the model's")

with caught_stderr() as said:
    os.write(2, b"E no such device\\n")
    print("a word of its own", file=sys.stderr)
    thread = threading.Thread(target=others)
    thread.start()
    thread.join()
    kept = sys.stderr
print(said())
print("later", file=kept)
"""


def test_what_other_threads_write_meanwhile_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines() == ["printed", "logged: no error of the model's", "later"]
    assert (done.returncode, done.stdout) == (0, "no such device\n")


MANY = """
import os, threading
from yolorknn.runtime.stderr import caught_stderr

def others(name):
    for number in range(3000):
        os.write(2, b"%s %d\\n" % (name, number))

for _ in range(3):
    with caught_stderr():
        threads = [threading.Thread(target=others, args=(name,)) for name in (b"one", b"two", b"three", b"four")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
"""


def test_threads_that_log_at_once_do_not_write_over_each_other() -> None:
    """Those of a stream's frames, say, while another model is opened."""
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, timeout=60, check=False)
    wanted = [f"{name} {number}" for name in ("one", "two", "three", "four") for number in range(3000)] * 3
    assert sorted(done.stderr.splitlines()) == sorted(wanted)


def test_who_is_about_to_write_to_stderr_as_it_was_still_can() -> None:
    """Its number would be closed by then, or that of another file."""
    with caught_stderr():
        real = stderr._kept[0].real
        assert real is not None
        give_back_stderr()
        assert os.path.samestat(os.fstat(real.descriptor), os.fstat(2))
        number = real.descriptor
        del real
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_what_is_forgotten_once_its_stream_is_closed_complains_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.13 on what the last flush of a forgotten file raises is printed."""
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    with caught_stderr():
        apart = sys.stderr
    stream.close()
    apart.flush()
