"""Ctrl-C while the command starts: no traceback, whatever is being imported."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import DEMO_ONNX

MAIN = "from yolorknn.__main__ import main; main()"


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.5, 0.8])
def test_ctrl_c_while_it_starts(tmp_path: Path, seconds: float) -> None:
    words = [sys.executable, "-c", f"print('up', flush=True); {MAIN}", "detect", "x.jpg", "--model", str(DEMO_ONNX)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (130, 1, -2) and (process.returncode == -2 or "Traceback" not in err), err


def test_ctrl_c_amid_an_import_waits_for_its_end(tmp_path: Path) -> None:
    """OpenCV's turns KeyboardInterrupt into ImportError, and prints it."""
    (tmp_path / "native.py").write_text(
        "import time\n"
        "print('importing', flush=True)\n"
        "try:\n"
        "    time.sleep(1)\n"
        "except KeyboardInterrupt:\n"
        "    raise ImportError('failed to import')\n"
        "print('imported', flush=True)\n"
    )
    stub = (
        "import sys, time, types\n"
        "def app(**_):\n"
        "    import native\n"
        "    time.sleep(60)\n"
        "sys.modules['yolorknn.cli.app'] = types.SimpleNamespace(app=app)\n"
    )
    words = [sys.executable, "-c", stub + MAIN.replace("; ", "\n")]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "imported\n", "")
