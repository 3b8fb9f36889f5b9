"""An NPU whose memory has no room for two contexts on each core, which detect opens of itself for many frames."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from tests.fakes.commands import refused, run
from tests.fakes.pictured import picture
from tests.fakes.standin import Library, needs_compiler

pytestmark = needs_compiler


def test_one_on_each_core_will_do_where_nobody_asked_for_two(
    library: Library, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(4):
        cv2.imwrite(f"in/{number}.png", picture(number))
    words = ["detect", "in", "-m", model, "--runtime", "c", "--no-save", "--json", "-"]
    for log in ("by itself", "asked for"):
        library.set(FAIL="rknn_dup_context:-4@3,rknn_init:-4@2", LOG=tmp_path / log)
        if log == "asked for":
            assert "rknn_init returned -4 (RKNN_ERR_MALLOC_FAIL)" in refused(*words, "--contexts", 2)
            continue
        done = run(*words)
        said = "one context on each NPU core is used, as two cannot be opened: rknn_init returned -4 (RKNN_ERR_MALLOC"
        assert done.stderr.startswith(said)
        assert [len(json.loads(row)["detections"]) for row in done.stdout.splitlines()] == [1] * 4
