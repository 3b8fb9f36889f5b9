"""Where the models are, and what is skipped without them."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from yolorknn import Detections, Detector

os.environ["YOLO_AUTOINSTALL"] = "False"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads of two workers that wait for work leave the other its CPU
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell runs the tests in the background
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored below nohup

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("YOLORKNN_SHARED", ROOT.parent / "shared"))
DEMO = ROOT / "models/demo.pt"
DEMO_ONNX = ROOT / "models/demo.onnx"
DATASET = ROOT / "dataset"


def _installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) for package in packages)


needs_shared = pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason=f"no real weights in {SHARED}")
needs_torch = pytest.mark.skipif(not _installed("torch", "ultralytics", "onnx"), reason="needs yolorknn[export]")
needs_ort = pytest.mark.skipif(not _installed("onnxruntime"), reason="needs yolorknn[onnx]")
needs_toolkit = pytest.mark.skipif(not _installed("rknn", "onnx"), reason="needs rknn-toolkit2")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also the tests that .ci/run adds: many networks, the board")
    parser.addoption("--all", action="store_true", help="every test, of every size of every family: hours")


def _left_out(config: pytest.Config) -> set[str]:
    """Return the markers whose tests are not run."""
    return (
        set() if config.getoption("--all") else {"exhaustive"} if config.getoption("--slow") else {"slow", "exhaustive"}
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is left out."""
    return [f"left out: the tests marked {' or '.join(sorted(left))}" for left in [_left_out(config)] if left]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the slow tests that nobody names; files that take longest come first, so that workers end together."""
    if any("::" in argument for argument in config.args):
        return
    left = [item for item in items if any(item.get_closest_marker(name) for name in _left_out(config))]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]
    for mark in ("slow", "emulator") if "PYTEST_XDIST_WORKER" in os.environ else ():
        long = {item.path for item in items if item.get_closest_marker(mark)}
        items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def _warm_toolkit() -> Iterator[None]:
    from tests.warm.toolkit import warm_toolkit

    with warm_toolkit():
        yield


@pytest.fixture(scope="session")
def for_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def board_data(for_all_workers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, frames, a video, and the simulator's answers to them; made by the worker that is first to need them."""
    from tests.fakes.emulated_board import record

    made = for_all_workers / "board.txt"
    with (for_all_workers / "board.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_text(str(record(tmp_path_factory.mktemp("board"))))
    return Path(made.read_text())


@pytest.fixture(scope="session")
def strict_mypy(for_all_workers: Path) -> list[str]:
    """The command, as a user's own project has it."""
    pytest.importorskip("mypy")
    return [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={for_all_workers / 'mypy'}"]


def on_the_demo_images(model: Path, **options: Any) -> list[Detections]:
    """Return what a model finds on ten of them."""
    with Detector(model, **options) as detector:
        return [detector.detect(image) for image in sorted((DATASET / "images").glob("*.jpg"))[:10]]


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo checkpoint's .onnx, exported anew."""
    from yolorknn.convert.export.export import export

    return export(DEMO, output=tmp_path_factory.mktemp("onnx"))
