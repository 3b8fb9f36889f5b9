"""What is shown of text that others wrote: nothing that a terminal or a shell acts on, and no password."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from yolorknn.text import dumps, has_password, printable, quoted, reason_of, short_reason, shown, shown_url, url_name

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
ACTED_ON = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@given(ANY)
@settings(max_examples=200)
def test_nothing_that_a_terminal_acts_on(text: str) -> None:
    assert not ACTED_ON.search(printable(text))
    printable(text).encode()
    assert printable(printable(text)) == printable(text)
    assert not ACTED_ON.search(printable(text, lines=True).replace("\n", ""))
    written = dumps({text: [text]}, indent=1)
    assert json.loads(written) == json.loads(json.dumps({text: [text]})) and not ACTED_ON.search(
        written.replace("\n", "")
    )


def test_letters_of_all_scripts_stay() -> None:
    text = "né à 東京 Привет 👩‍🚀 می‌خواهم a\\b [red]"
    assert printable(text) == text and json.loads(dumps(text)) == text and "東京" in dumps(text)


SECRET = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://me:s3cret@cam:554/live",
        "rtsp://me:s3cret/x@cam/live",
        "rtsp://me:a@s3cret@cam/live",
        "rtsp://me:s3cret?x@cam/live",
        "rtsp://me:s3cret#x@cam/live",
        "rtsp://s3cret@cam/live",
        "RTSP://me:s3cret@cam/live",
        "http://cam/live?password=s3cret",
        "http://cam/live?a=1&token=s3cret&channel=2",
        "http://cam/live?channel=1;pwd=s3cret",
        "http://cam/live?s3cret",
        "http://cam/live#s3cret",
        "rtsp://cam/user=admin_password=s3cret_channel=1",
        "rtsp:/me:s3cret@cam/live",
    ],
)
def test_no_password_of_a_url(url: str) -> None:
    assert SECRET not in shown_url(url) + url_name(url) and "cam" in shown_url(url)
    sentence = shown(f"no video from {url} (waited): check")
    assert SECRET not in sentence and sentence.startswith("no video from ") and "cam" in sentence
    assert SECRET not in shown(ValueError(url))


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("rtsp://me:s3cret@host/live", True),
        ("rtsp://me:s3:cr@et/@host:554/live", True),
        ("http://host/shot?user=me&password=s3cret", True),
        ("rtsp://me@host:554/live", False),
        ("rtsp://me:@host/live", False),
        ("rtsp://host:554/live?channel=1", False),
        ("@door.source", False),
        ("a:b@c.mp4", False),
    ],
)
def test_whether_a_url_has_a_password(url: str, has: bool) -> None:
    assert has_password(url) is has


def test_what_a_url_may_show() -> None:
    assert (
        shown_url("rtsp://u:p@10.0.0.2:554/Streaming/101?channel=1&x=y")
        == "rtsp://10.0.0.2:554/Streaming/101?channel=1&x=***"
    )
    assert shown_url("rtsp://u:p w@cam/x") == "rtsp://cam/x"
    assert url_name("rtsp://u:p@10.0.0.2:554/Streaming/101?token=a&session=b#c") == "10.0.0.2-554-Streaming-101"
    assert url_name("rtsp://u:p@10.0.0.2/cam?channel=1&subtype=0&x=y") == "10.0.0.2-cam-channel-1-subtype-0"
    assert len(url_name("rtsp://cam/" + "x" * 5000)) <= 100
    assert shown("C:/a@b and user@board: fine") == "C:/a@b and user@board: fine"


@given(ANY.filter(lambda text: "\0" not in text and not re.search("[\ud800-\udfff]", text)))
@settings(max_examples=20, deadline=None)
def test_a_quoted_word_is_one_word_to_bash(text: str) -> None:
    line = quoted("printf", "%s", text)
    assert "\n" not in line
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout == text.encode()


def test_few_files_print() -> None:
    """cli/show.py for what commands say, main() for the end; a sink and the log write JSON, the doctor a colour."""
    printing = re.compile(
        r"^\s*(?:print\(|(?:err|out|console)\.print\(|typer\.echo\(|sys\.std(?:out|err)\.write\()", re.M
    )
    files = {
        str(path.relative_to(ROOT / "yolorknn"))
        for path in (ROOT / "yolorknn").rglob("*.py")
        if printing.search(_code(path))
    }
    others = {"cli/doctor.py", "cli/log.py", "convert/toolkit/child.py", "stream/sinks/json_lines.py"}
    assert files <= {"__main__.py", "cli/show.py", *others}


def _code(path: Path) -> str:
    return re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)


def test_reasons_are_without_numbers_and_never_empty(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:
        (tmp_path / "absent").read_bytes()
    assert reason_of(refused.value) == "No such file or directory"
    assert reason_of(OSError("no number")) == "no number"
    with pytest.raises(OSError) as refused, open("/dev/full", "wb", buffering=0) as full:
        np.zeros(1 << 16).tofile(full)
    assert reason_of(refused.value) == "No space left on device"
    assert reason_of(ValueError("line 3")) == "line 3"
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert short_reason(RuntimeError("\n first \nsecond")) == "first"
    assert short_reason(RuntimeError("x" * 900)) == "x" * 200 and short_reason(RuntimeError()) == "no reason given"
