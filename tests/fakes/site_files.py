"""Site files as tests write them, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolorknn.errors import SiteError
from yolorknn.site.read import read_site

WHOLE = b"\x08\x08\x3a\x00"
"""An .onnx of a version and a graph with nothing in it."""
GOOD = """
[models.demo]
file = "m.onnx"
[cameras.door]
source = "camera0"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(SiteError) as caught:
        read_site(written(folder, text))
    return [mistake.removeprefix(f"{folder}/site.toml") for mistake in caught.value.mistakes]
