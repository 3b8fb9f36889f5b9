"""Whether the system's clock follows a time server, as the kernel's own header has it."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from yolorknn.stream import clock
from yolorknn.stream.sinks.mqtt.topics import Counts, Health, state_payload

ASKING = """
#include <stdio.h>
#include <sys/timex.h>
int main(void) {
    struct timex said = {0};
    int got = adjtimex(&said);
    return got < 0 ? 2 : !(said.status & STA_UNSYNC);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_it_is_what_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(ASKING)
    subprocess.run(["cc", "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    status = subprocess.run([tmp_path / "a"], check=False).returncode
    assert clock.clock_is_synced() is {0: False, 1: True, 2: None}[status]


@pytest.mark.parametrize(("status", "synced"), [(0x40, False), (0x2041, False), (0x2001, True), (None, None)])
def test_a_board_that_woke_up_in_another_year_says_so(
    monkeypatch: pytest.MonkeyPatch, status: int | None, synced: bool | None
) -> None:
    """Its times are not rewritten: who reads them is told that they are not to be believed."""

    def adjtimex(given: Any) -> int:
        said = given._obj
        assert said.modes == 0, "nothing is set"
        said.status = status or 0
        return -1 if status is None else 5 if status & 0x40 else 0

    monkeypatch.setattr(ctypes, "CDLL", lambda _: type("Libc", (), {"adjtimex": staticmethod(adjtimex)}))
    assert clock.clock_is_synced() is synced
    said = json.loads(state_payload(Counts({}, {}), Health(1.0), 35.5, clock_synced=clock.clock_is_synced()))
    assert (said["timestamp"], said["clock_synced"]) == (35.5, synced)
