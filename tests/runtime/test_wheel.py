"""The vendor's wheel as it is found: working, broken in any way, left over, or none for this Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.encode import encode_split
from tests.fakes.pictured import CELLS, METADATA, is_of, picture
from tests.fakes.rknn_files import write_generic
from tests.fakes.standin import Library, needs_compiler, write_replay
from yolorknn import Detector, MissingDependencyError
from yolorknn.errors import BackendError
from yolorknn.measure.bench import bench
from yolorknn.measure.bench_any import bench_any
from yolorknn.runtime import rknn_api, wheel
from yolorknn.runtime.cores import chosen

BROKEN = {
    "import not_there_at_all": "No module named 'not_there_at_all'",
    "raise RuntimeError('module compiled against ABI version 0x1000009')": "module compiled against ABI version",
}
"""Code of a package that cannot be imported, and what it says."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Python finds packages, with an empty one of the wheel's name; what is imported is forgotten."""
    package = tmp_path / "site/rknnlite"
    (package / "api").mkdir(parents=True)
    monkeypatch.syspath_prepend(package.parent)
    for name in ("rknnlite", "rknnlite.api"):
        monkeypatch.setitem(sys.modules, name, None)  # so that it is put back afterwards
        del sys.modules[name]
    return package


def write(package: Path, code: str) -> None:
    (package / "__init__.py").write_text("")
    (package / "api/__init__.py").write_text(code)


@needs_compiler
@pytest.mark.parametrize("code", BROKEN)
def test_a_wheel_that_cannot_be_imported_stops_nothing(
    library: Library, model: Path, site: Path, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(site, code)
    with Detector(model) as detector:
        is_of(detector.detect(picture(0)), 0)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"rknn-toolkit-lite2 is installed but cannot be imported ({BROKEN[code]}")
    assert said.endswith("): librknnrt is used directly (--runtime c)")
    with pytest.raises(MissingDependencyError) as caught:
        Detector(model, runtime="lite")
    assert f"which is installed but cannot be imported ({BROKEN[code]}" in str(caught.value)
    assert str(caught.value).endswith("): mend that, or take --runtime c")


@needs_compiler
@pytest.mark.parametrize("code", BROKEN)
def test_bench_says_so_and_measures_the_other(library: Library, model: Path, site: Path, code: str) -> None:
    write(site, code)
    library.set(REPLAY=write_replay(model.parent / "any.bin", {0: encode_split(METADATA, CELLS)}))
    report = bench(model, seconds=0.1, contexts=1)
    assert {run.runtime for run in report.runs} == {"c"}
    assert report.compared.startswith("lite does not run it: ") and BROKEN[code] in report.compared
    with pytest.raises(MissingDependencyError, match="cannot be imported"):
        bench(model, seconds=0.1, runtime="lite")


@needs_compiler
def test_bench_of_any_model_says_so_too(
    library: Library, tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site, "import not_there_at_all")
    model = write_generic(tmp_path / "any.rknn", {"x": (1, 5)}, {"y": (1, 2)})
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(tmp_path / "none.so"),))
    with pytest.raises(BackendError, match=r"librknnrt\.so cannot be loaded"):  # of c, which is the one that is used
        bench_any(model, seconds=0.1)


def test_a_folder_that_was_left_over_is_no_wheel(site: Path) -> None:
    for _ in range(2):
        assert not wheel.installed() and wheel.why_not() is None and chosen("auto") == "c"
        with pytest.raises(MissingDependencyError, match="is not installed"):  # the folder is a module from now on
            wheel.wheel_class("rknn-toolkit-lite2", "running", absent="", broken="")


def test_what_there_is_to_do_by_python() -> None:
    assert wheel.mend_absent((3, 12)) == "in a checkout of yolorknn, pip install '.[board]', or take --runtime c"
    assert wheel.mend_absent((3, 13)) == (
        "there is no wheel of it for Python 3.13, take --runtime c or a Python up to 3.12"
    )
    assert wheel.way_out((3, 12)).startswith("take the vendor's wheel (pip install rknn-toolkit-lite2 and --runtime ")
    assert "in a Python up to 3.12, as there is none for 3.14 (pip install" in wheel.way_out((3, 14))
