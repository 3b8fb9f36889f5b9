"""The site: it builds strictly, has every public name, and fetches nothing when it is read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import yolorknn
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    build(ROOT / "mkdocs.yml", folder)
    return folder


def build(config: Path, folder: Path, *, refused: bool = False) -> str:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == refused, done.stderr
    return done.stderr


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    ids = set(re.findall(r'id="yolorknn\.(\w+)"', (site / "reference.html").read_text()))
    assert ids == set(yolorknn.__all__) - {"__version__"}


def test_the_browser_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= 15
    for page in pages:
        tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>", page.read_text())
        assert not [tag for tag in tags if 'rel="canonical"' not in tag], page.name


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](speed.md#nowhere)", "[x](/speed.md)", "[x][nowhere]"])
def test_a_dead_link_is_an_error(tmp_path: Path, link: str) -> None:
    pytest.importorskip("mkdocs")
    text = (ROOT / "mkdocs.yml").read_text()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text(f"# Page\n\n{link}\n")
    (tmp_path / "docs/speed.md").write_text("# Speed\n")
    nav = re.sub(r"^nav:\n(?: .*\n)+", "nav: [index.md, speed.md]\n", text, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(nav)
    assert "nowhere" in build(tmp_path / "mkdocs.yml", tmp_path / "site", refused=True) or "/speed.md" in link
