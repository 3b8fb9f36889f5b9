"""What goes along with a model that is sent to nodes; no Ray is needed for that."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.conftest import DEMO_ONNX
from yolorknn import ModelError
from yolorknn.integrations.ray import job
from yolorknn.integrations.ray.model_file import Shipped, shipped


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    """The demo's model with its weights in a folder beside it."""
    (tmp_path / "made/weights").mkdir(parents=True)
    model = tmp_path / "made/parted.onnx"
    where = {"save_as_external_data": True, "location": "weights/all.data", "size_threshold": 0}
    onnx.save_model(onnx.load(str(DEMO_ONNX)), str(model), **where)
    return model


def test_weights_beside_an_onnx_go_along(parted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "node"))
    sent = shipped(parted)
    (parted.parent / "of.rknn").write_bytes(b"RKNN")
    beside = shipped(parted.parent / "of.rknn", parted)
    data = parted.parent / "weights/all.data"
    for model in (sent.unpacked(), beside.unpacked().with_name("parted.onnx")):
        assert (model.parent / "weights/all.data").read_bytes() == data.read_bytes()
        assert model.read_bytes() == parted.read_bytes()
    data.write_bytes(bytes(data.stat().st_size))
    assert shipped(parted).sha256 != sent.sha256, "a job of other weights is another"
    data.unlink()
    with pytest.raises(ModelError, match="copy both files together"):
        shipped(parted)


def test_a_rknn_that_is_simulated_goes_with_what_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sent(Exception):
        pass

    def send(*files: Path) -> Shipped:
        raise Sent(*files)

    monkeypatch.setattr(job, "read_metadata", lambda _: None)
    monkeypatch.setattr(job, "read_recorded", lambda _: (Path("made/v8n.onnx"), None, False))
    monkeypatch.setattr(job, "shipped", send)
    for model, simulate, files in (("a.rknn", True, ("a.rknn", "made/v8n.onnx")), ("a.rknn", False, ("a.rknn",))):
        with pytest.raises(Sent) as caught:
            job.detect("images", model, "rows", simulate=simulate)
        assert caught.value.args == tuple(map(Path, files))
