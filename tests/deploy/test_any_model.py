"""What the PC prepares for a board that is to run a model of any kind, and what is said where the board differs."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.rknn_files import write_generic
from tests.fakes.tiny_onnx import IMAGE, VECTOR, computed, two_inputs
from yolorknn.deploy.any_model import AnyDeployment, Prepared, _fetched, prepare_any
from yolorknn.deploy.install import Installed
from yolorknn.deploy.probe import Board
from yolorknn.deploy.ssh import Done, Remote
from yolorknn.errors import DeployError, ModelError
from yolorknn.files import sha256
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import Build
from yolorknn.model.packing import pack_generic
from yolorknn.runtime.agreeing import agreeing

pytestmark = [needs_ort, needs_toolkit]
BOARD = Board("/usr/bin/python3", (3, 11), 36, "/home/me", "me", False, ())
FP16 = Build("rk3588", "fp16", "2.3.2")


def made(folder: Path, build: Build = FP16) -> Path:
    """The outside of a .rknn beside its .onnx."""
    net = two_inputs(folder / "two.onnx")
    metadata = GenericMetadata(net.name, sha256(net), build)
    shapes = {"image": (1, 3, 4, 6), "a/b": (1, 5)}, {"y": (1, 6), "top": (1,)}
    return write_generic(folder / "two.rknn", *shapes, custom=pack_generic(metadata))


def test_inputs_are_given_or_of_the_calibration_set_or_made_up(tmp_path: Path) -> None:
    rknn = made(tmp_path)
    np.savez(tmp_path / "in.npz", **{"image": IMAGE.astype(np.float64), "a/b": VECTOR[0]})
    found = prepare_any(rknn, [str(tmp_path / "in.npz")], simulate=False, dataset=None)
    assert found.inputs["image"].dtype == np.float32 and found.inputs["a/b"].shape == (1, 5)
    expected = computed(tmp_path / "two.onnx", {"image": IMAGE, "a/b": VECTOR})
    assert np.allclose(found.outputs["y"], expected["y"]) and found.reference == "two.onnx"
    assert prepare_any(rknn, [], simulate=False, dataset=None).told == "random numbers"
    (tmp_path / "list.txt").write_text("in.npz\n")
    calibrated = made(tmp_path, Build("rk3588", "i8", "2.3.2", dataset=str(tmp_path / "list.txt"), images=1))
    found = prepare_any(calibrated, [], simulate=False, dataset=None)
    assert found.told == f"the first of {tmp_path / 'list.txt'}" and np.allclose(found.outputs["y"], expected["y"])


@needs_torch
@pytest.mark.filterwarnings("ignore")  # of torch, which traces
def test_a_board_with_a_torchscript_is_compared_with_torch(tmp_path: Path) -> None:
    import torch

    network = torch.nn.Linear(5, 2)
    torch.jit.trace(network, torch.zeros(1, 5)).save(str(tmp_path / "net.pt"))
    metadata = GenericMetadata("net.pt", sha256(tmp_path / "net.pt"), FP16)
    rknn = write_generic(tmp_path / "net.rknn", {"x.1": (1, 5)}, {"7": (1, 2)}, custom=pack_generic(metadata))
    np.save(tmp_path / "x.npy", VECTOR)
    found = prepare_any(rknn, [str(tmp_path / "x.npy")], simulate=False, dataset=None)
    assert found.reference == "net.pt" and list(found.outputs) == ["7"]
    assert np.allclose(found.outputs["7"], network(torch.from_numpy(VECTOR).float()).detach().numpy(), atol=1e-6)


def test_mean_and_std_of_the_build_are_the_float_models_too(tmp_path: Path) -> None:
    config = {"mean_values": [[10.0, 20.0, 30.0], [0.0]], "std_values": [[2.0, 2.0, 2.0], [1.0]]}
    rknn = made(tmp_path, Build("rk3588", "fp16", "2.3.2", options={"config": config}))
    pixels = np.arange(72, dtype=np.uint8).reshape(1, 3, 4, 6)
    np.savez(tmp_path / "in.npz", image=pixels, **{"a/b": VECTOR})
    found = prepare_any(rknn, [str(tmp_path / "in.npz")], simulate=False, dataset=None)
    seen = (pixels - np.array([10, 20, 30]).reshape(1, 3, 1, 1)) / 2
    expected = computed(tmp_path / "two.onnx", {"image": seen.astype(np.float32), "a/b": VECTOR})
    assert np.allclose(found.outputs["y"], expected["y"], atol=1e-5)


def test_a_source_that_has_changed_is_none(tmp_path: Path) -> None:
    rknn = made(tmp_path)
    with (tmp_path / "two.onnx").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(ModelError, match="has changed since"):
        prepare_any(rknn, [], simulate=False, dataset=None)


def test_a_board_that_differs_is_named(tmp_path: Path) -> None:
    expected = {"a": np.array([[1.0, 2.0]], np.float32), "b": np.zeros((1, 2), np.float32)}

    def deployment(found: dict[str, NDArray[np.float32]], build: Build = FP16) -> AnyDeployment:
        prepared = Prepared(build, {}, "in.npz", expected, "two.onnx")
        rows = tuple(agreeing("board", [expected], [found]))
        return AnyDeployment(BOARD, Installed("/b", "two.rknn"), (), rows, prepared)

    deployment(expected).check()
    near = {**expected, "a": np.array([[1.0, 1.7]], np.float32)}
    deployment(near, Build("rk3588", "i8", "2.3.2")).check()
    with pytest.raises(DeployError, match=r"output a .* has a cosine of 0.9977 against two.onnx, less than 0.999"):
        deployment(near).check()
    with pytest.raises(DeployError, match=r"output b of the board has infinite values against"):
        deployment({**expected, "b": np.full((1, 2), np.inf, np.float32)}).check()
    assert deployment(near).table().splitlines()[0] == "the board against two.onnx, on in.npz"


class Answering(Remote):
    """A connection to a board that prints one text."""

    def __init__(self, text: str) -> None:
        super().__init__("board")
        self._text = text

    def run(self, *words: str, folder: str | None = None, show: str | None = None) -> Done:
        return Done(0, self._text, "")


def test_what_the_board_saved_is_read_and_never_trusted() -> None:
    expected: dict[str, NDArray[Any]] = {"a": np.zeros((1, 2), np.float32), "b": np.zeros(3, np.int64)}
    prepared, there = Prepared(FP16, {}, "", expected, "two.onnx"), Installed("/b", "two.rknn")

    def fetched(**arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        text = f"motd\n{base64.b64encode(packed.getvalue()).decode()}\n"
        return _fetched(Answering(text), there, prepared)

    found = fetched(a=np.ones((1, 2)), b=np.arange(3))
    assert list(found) == ["a", "b"] and found["b"].tolist() == [0, 1, 2]
    with pytest.raises(DeployError, match=r"board gave a \(1, 3\), b \(3,\), which are not the outputs of two.rknn"):
        fetched(a=np.ones((1, 3)), b=np.arange(3))
    with pytest.raises(DeployError, match="which are not the outputs"):
        fetched(a=np.ones((1, 2)))
    for text in ("", "no base64!", "aGVsbG8="):
        with pytest.raises(DeployError, match="board answered nonsense"):
            _fetched(Answering(text), there, prepared)
