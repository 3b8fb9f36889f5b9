"""The backend for boards of the first generation, with a stand-in for rknn_toolkit_lite 1.7."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.fakes.encode import split_metadata
from tests.fakes.waiting import until
from yolorknn.errors import BackendError, InferenceError, MissingDependencyError, ModelError
from yolorknn.measure.bench import bench
from yolorknn.model.metadata import Build, Tensor
from yolorknn.predict.open_model import open_model
from yolorknn.runtime import recovering, rknnlite1
from yolorknn.runtime.patience import Patience
from yolorknn.tasks.known import output_shapes

METADATA = replace(split_metadata((64, 96), 2), build=Build("rv1126", "i8", "1.7.3"))


class Lite:
    """Its class as the guide of 1.7 and the readable wheel have it: -1 and None for any failure, uint8 and nhwc."""

    init, said, answer = 0, "", True
    calls: list[Any] = []  # noqa: RUF012
    opening = during = staticmethod(lambda: None)
    """What happens while init_runtime() and inference() work."""

    def load_rknn(self, path: str) -> int:
        return 0 if Path(path).read_bytes() == b"RKNN 1" else -1

    def init_runtime(self, target: str | None = None, device_id: str | None = None) -> int:
        assert target is None
        sys.stderr.write(self.said)
        self.opening()
        return self.init

    def inference(
        self,
        inputs: list[Any],
        data_type: str | None = None,
        data_format: str | None = None,
        inputs_pass_through: Any = None,
    ) -> Any:
        try:
            self.during()
        except:  # noqa: E722  as the readable wheel has it
            return None
        (image,) = inputs
        if image.dtype != np.dtype(data_type or "uint8") or image.shape != METADATA.image_shape or not self.answer:
            return None
        return [np.full(shape, image.mean() / 255, np.float32) for shape in output_shapes(METADATA).values()]

    def release(self) -> None:
        self.calls.append("release")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A board with RV1109, and a model of its family."""
    module = ModuleType("rknnlite.api")
    vars(module)["RKNNLite"] = Lite
    monkeypatch.setitem(sys.modules, "rknnlite", ModuleType("rknnlite"))
    monkeypatch.setitem(sys.modules, "rknnlite.api", module)
    monkeypatch.setattr(rknnlite1, "chips", lambda: ["some-board", "rv1109"])
    for name, value in {"init": 0, "said": "", "answer": True, "calls": []}.items():
        monkeypatch.setattr(Lite, name, value)
    (tmp_path / "m.rknn").write_bytes(b"RKNN 1")
    (tmp_path / "m.json").write_text(METADATA.to_json())
    return tmp_path / "m.rknn"


def test_a_model_of_its_family_runs(board: Path) -> None:
    metadata, (backend,) = open_model(board)
    assert metadata == METADATA
    outputs = backend.infer(np.full(METADATA.image_shape, 51, np.uint8))
    assert [array.shape for array in outputs] == list(output_shapes(METADATA).values())
    assert all(np.allclose(array, 0.2) for array in outputs)
    backend.close()
    backend.close()
    assert Lite.calls == ["release"]


def test_what_the_runtime_refuses(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lite, "said", "E RKNNAPI: rknn_init, recv fail, -14 != 0!\n")
    monkeypatch.setattr(Lite, "init", -1)
    with pytest.raises(BackendError, match=r"init_runtime returned -1 .*: it is not pre-compiled, and the board"):
        open_model(board)
    board.write_bytes(b"junk")
    with pytest.raises(BackendError, match="load_rknn returned -1"):
        open_model(board)
    assert Lite.calls == ["release", "release"]


def test_an_inference_that_fails(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (backend,) = open_model(board)
    monkeypatch.setattr(Lite, "answer", False)
    with pytest.raises(InferenceError, match="inference returned None"):
        backend.infer(np.zeros(METADATA.image_shape, np.uint8))
    backend.close()


def test_stderr_is_others_while_it_works(
    board: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    _, (backend,) = open_model(board)
    monkeypatch.setattr(Lite, "during", staticmethod(lambda: os.write(2, b"a word of another thread")))
    backend.infer(np.zeros(METADATA.image_shape, np.uint8))
    backend.close()
    assert "a word of another thread" in capfd.readouterr().err


def test_one_that_hangs_while_it_opens_gives_stderr_back(
    board: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    returns = threading.Event()
    monkeypatch.setattr(Lite, "opening", staticmethod(returns.wait))
    monkeypatch.setattr(recovering, "Patience", lambda: Patience(opening=0.2))
    try:
        with pytest.raises(BackendError, match=r"did not open the model in 0\.2 s"):
            open_model(board)
        os.write(2, b"an error")
        assert "an error" in capfd.readouterr().err
    finally:
        returns.set()
    until(lambda: Lite.calls == ["release"])


def test_ctrl_c_is_not_swallowed(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = rknnlite1.open_lite1(board, inputs=[Tensor("images", (1, *METADATA.image_shape), "uint8")], outputs=[])
    monkeypatch.setattr(Lite, "during", staticmethod(lambda: os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        session.run({"images": np.zeros((1, *METADATA.image_shape), np.uint8)})
    session.close()


def test_another_board(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rknnlite1, "chips", lambda: ["rk1808"])
    with pytest.raises(ModelError, match="built for rv1126, this board is rk1808"):
        open_model(board)
    monkeypatch.setattr(rknnlite1, "chips", lambda: ["rk3588"])
    with pytest.raises(ModelError, match="runs on a board with rv1126, which this machine is not"):
        open_model(board)


def test_the_wrong_package_and_none(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lite, "NPU_CORE_AUTO", 0, raising=False)
    with pytest.raises(BackendError, match=r"rknn-toolkit-lite2 is for later chips: install rknn_toolkit_lite 1\.7"):
        open_model(board)
    monkeypatch.setitem(sys.modules, "rknnlite.api", None)
    with pytest.raises(MissingDependencyError, match=r"is installed but cannot be imported \(import of rknnlite"):
        open_model(board)
    monkeypatch.setitem(sys.modules, "rknnlite", None)
    with pytest.raises(MissingDependencyError, match=r"needs rknn_toolkit_lite 1\.7, which is not installed: take"):
        open_model(board)


def test_it_is_measured(board: Path) -> None:
    report = bench(board, seconds=0.1)
    assert [(run.runtime, run.cores, run.contexts, run.workers) for run in report.runs] == [
        ("lite", 1, 1, 1),
        ("lite", 1, 1, 2),
    ]
    assert report.best.frames > 0 and "lite" in report.table()
