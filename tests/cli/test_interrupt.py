"""Ctrl-C while the command starts: no traceback, whatever is being imported."""

from __future__ import annotations

import re
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
    """Before our own first line Python ends it, after it we do; or the command had said that x.jpg is absent."""
    words = [sys.executable, "-c", f"print('up', flush=True); {MAIN}", "detect", "x.jpg", "--model", str(DEMO_ONNX)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    if process.returncode == -signal.SIGINT:
        assert err.endswith("KeyboardInterrupt\n") or "there is no file x.jpg" in err  # it was on its way out
    elif process.returncode == 1:
        assert re.fullmatch(r"error: there is no file x\.jpg: .*\n", err), err
    else:
        assert (process.returncode, err) == (130, "")


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


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_other_ends_are_as_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    stub = (
        "import sys, time, types\n"
        "def app(**_):\n"
        "    try:\n"
        "        print('begun', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('finished', flush=True)\n"
        "sys.modules['yolorknn.cli.app'] = types.SimpleNamespace(app=app)\n"
    )
    words = [sys.executable, "-c", stub + MAIN.replace("; ", "\n")]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "finished\n", "")


def test_nohup_is_heeded(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{MAIN.split(';', maxsplit=1)[0]}\n"
    code += "import sys; sys.argv[1:] = ['--version']\n"
    code += "try: main()\nfinally: print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.endswith("True\n")


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path) -> None:
    """Python -m puts it before all others; what Python itself imports before us (contextlib, ...) is its own."""
    for name in ("json", "cv2", "numpy", "typing", "typer", "rich", "yaml"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the current folder was run')\n")
    for words in (["--help"], ["detect", "absent.jpg", "--model", str(DEMO_ONNX)]):
        command = [sys.executable, "-m", "yolorknn", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert "of the current folder" not in done.stderr
        assert "absent.jpg" in done.stderr if words[1:] else done.returncode == 0
