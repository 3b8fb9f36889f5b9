"""An .onnx whose weights are in a file beside it: they come along, are part of what it is, and are what is built."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.conftest import needs_ort, needs_toolkit, needs_torch
from tests.fakes.other_onnx import IMAGE, external, found_by
from yolorknn import ModelError
from yolorknn.convert.build import build
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.toolkit.log import Log
from yolorknn.model import onnx_file

pytestmark = [needs_torch, needs_ort]


def test_weights_beside_it_come_along(plain: Path, tmp_path: Path) -> None:
    other = external(plain, tmp_path)
    prepare(other, tmp_path / "ready.onnx")
    (tmp_path / "elsewhere").mkdir()
    alone = (tmp_path / "ready.onnx").rename(tmp_path / "elsewhere/ready.onnx")
    assert found_by(alone) == found_by(plain) == found_by(other)
    before = onnx_file.digest(other)
    assert before != onnx_file.digest(plain)
    data = tmp_path / "other.onnx.data"
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    assert onnx_file.digest(other) != before, "the weights are part of what it is"
    data.write_bytes(content[:1000])
    with pytest.raises(ModelError, match=r"has weights in .*data, which is truncated"):
        onnx_file.read(other)
    data.unlink()
    for refused in (onnx_file.read, onnx_file.digest, lambda path: prepare(path, tmp_path / "no.onnx")):
        with pytest.raises(ModelError, match=r"has weights in other.onnx.data, but there is no .*: copy both"):
            refused(other)


def test_weights_of_elsewhere_are_not_read(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    other = external(plain, tmp_path / "in")
    (tmp_path / "in/other.onnx.data").rename(tmp_path / "secret")
    model = onnx.load(str(other), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    other.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        onnx_file.read(other)


def test_a_toolkit_that_invents_weights_has_failed(tmp_path: Path) -> None:
    log = Log(tmp_path / "x.log")
    line = "load_onnx: The weight is missing, Generate random data for test"
    log.path.write_text(f"I building\nW {line}\n")
    assert line in str(log.complaint())


@needs_toolkit
@pytest.mark.toolkit
@pytest.mark.slow
@pytest.mark.parametrize("generic", [True, False])
def test_weights_beside_it_are_in_what_is_built(plain: Path, tmp_path: Path, generic: bool) -> None:
    """Of the same size and without a word of random data, in int8 too."""
    other = external(plain, tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.jpg").symlink_to(IMAGE)
    for dataset in (None, tmp_path / "images"):
        one = build(plain, output=tmp_path / "one", generic=generic, dataset=dataset)
        two = build(other, output=tmp_path / "two", generic=generic, dataset=dataset)
        assert abs(one.stat().st_size - two.stat().st_size) < 2000
        assert "andom" not in two.with_suffix(".log").read_text(errors="replace")
