"""What files of any kind say of themselves: TorchScript, shapes that are open, and several of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import needs_ort
from tests.fakes.rknn_files import write_generic
from tests.fakes.tiny_onnx import embedding, two_inputs
from yolorknn.doctor.examine import examine
from yolorknn.errors import ModelError
from yolorknn.model import onnx_file, torchscript_file
from yolorknn.runtime.ort import OrtSession
from yolorknn.tasks.describe import describe

CODE = """class Net(Module):
  __parameters__ = ["weight", ]
  def forward(self: __torch__.mine.Net,
    ids: Tensor,
    x: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    return (ids, ids)
"""


def torchscript(path: Path, *, code: str = CODE, pickled: bytes = b"c__torch__.mine\nNet\n.") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/code/__torch__/mine.py", code)
        archive.writestr("net/data/0", b"\0" * 400)
    return path


def test_a_torchscript_file_says_its_inputs(tmp_path: Path) -> None:
    facts = describe(torchscript(tmp_path / "net.torchscript"))
    assert facts["inputs"] == ["ids: Tensor", "x: Optional[Tensor]"] and facts["module"] == "mine.Net"
    assert facts["outputs"] == ["Tuple[Tensor, Tensor]"] and facts["weight_bytes"] == 400


def test_what_torch_traces_says_its_inputs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.ReLU()).eval()
    torch.jit.trace(network, torch.zeros(1, 5)).save(str(tmp_path / "m.torchscript"))
    facts = describe(tmp_path / "m.torchscript")
    assert facts["inputs"] == ["input: Tensor"] and facts["weight_bytes"] >= 4 * (5 * 3 + 3)


@pytest.mark.parametrize(
    ("code", "pickled"),
    [
        ("", b"c__torch__.mine\nNet\n."),
        (CODE, b"."),
        (CODE, b"\xff"),
        (CODE, b"cposix\nsystem\n."),
        ("x" * (5 << 20), b"c__torch__.mine\nNet\n."),
    ],
    ids=["no code", "no class", "no pickle", "another class", "too large"],
)
def test_a_hostile_torchscript_is_refused(tmp_path: Path, code: str, pickled: bytes) -> None:
    with pytest.raises(ModelError, match="is no TorchScript, or a damaged one"):
        torchscript_file.read(torchscript(tmp_path / "bad.torchscript", code=code, pickled=pickled))


@given(st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_junk_is_no_torchscript(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "junk.torchscript"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        torchscript_file.read(path)


@needs_ort
def test_open_sides_have_their_names_and_the_doctor_reads_any_model(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = embedding(tmp_path / "ids.onnx", length="n")
    facts = describe(model)
    assert facts["inputs"] == ["ids 1xn int64"] and facts["outputs"] == ["y 1xnx4 float"]
    assert "has a dynamic shape" in facts["metadata"]
    assert examine(model=model)[-1].text.endswith("ids.onnx can be read: onnxruntime runs it here")


def test_every_shape_that_a_rknn_was_built_for_is_told(tmp_path: Path) -> None:
    several = {"ids": [[1, 8], [1, 4]], "y": [[1, 8, 4], [1, 4, 4]]}
    dtypes = {"ids": "int64"}
    model = write_generic(tmp_path / "m.rknn", {"ids": (1, 8)}, {"y": (1, 8, 4)}, dtypes=dtypes, several=several)
    facts = describe(model)
    assert facts["inputs"] == ["ids 1x8 or 1x4 float16 (of int64)"]
    assert facts["outputs"] == ["y 1x8x4 or 1x4x4 float16"] and facts["generic"] is True
    (finding,) = [finding for finding in examine(model=model) if finding.check == "model"]
    assert finding.status == "ok" and "m.rknn can be read" in finding.text


@needs_ort
def test_an_onnx_that_is_too_new_or_has_an_op_of_others_is_not_called_damaged(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    changes: list[tuple[Callable[[Any], None], str, str]] = [
        (lambda model: setattr(model, "ir_version", 99), "ir_version 99 is higher", "Unsupported model IR version: 99"),
        (lambda model: setattr(model.graph.node[0], "op_type", "Foo"), "No Op registered for Foo", "No Op registered"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "", "Opset 99 is under development.* till opset"),
    ]
    for change, here, there in changes:
        model = onnx.load(str(two_inputs(tmp_path / "m.onnx")))
        change(model)
        onnx.save(model, str(tmp_path / "m.onnx"))
        with pytest.raises(ModelError, match=rf"^onnxruntime \S+ does not take \S+/m\.onnx: (?=[A-Z]).*{there}"):
            OrtSession(tmp_path / "m.onnx")
        with pytest.raises(ModelError, match=f"^onnx .* does not take .*: .*{here}") if here else nullcontext():
            onnx_file.read(tmp_path / "m.onnx")
    whole = two_inputs(tmp_path / "m.onnx").read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"<html>"):
        (tmp_path / "m.onnx").write_bytes(damaged)
        for read in (OrtSession, onnx_file.read):
            with pytest.raises(ModelError, match=r"m\.onnx is empty, truncated or not ONNX"):
                read(tmp_path / "m.onnx")
