"""The demo model as others might have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DEMO


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model of 96 pixels, without metadata."""
    import onnx

    from yolorknn.convert.export.export import export

    path = export(DEMO, imgsz=(96, 96), output=tmp_path_factory.mktemp("plain"))
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(path))
    return path
