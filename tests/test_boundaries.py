"""The board's half stays light, and the public surface is what __all__ says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import yolorknn
from tests.conftest import ROOT
from yolorknn.runtime import ort

HEAVY = ("torch", "torchvision", "ultralytics", "onnx", "onnxruntime", "rknn", "rknnlite", "yaml", "supervision")
BOARD_SIDE = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for path in (ROOT / "yolorknn").rglob("*.py")
    if not {"convert", "measure", "cli"} & set(path.parts) and path.name != "__main__.py"
)


def blocked(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process where none of the heavy packages can be imported."""
    block = f"import sys\nfor name in {HEAVY}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=False, cwd=ROOT)


EACH_ALONE = """
import os, cv2, numpy
for module in MODULES:
    if (child := os.fork()) == 0:
        try:
            __import__(module)
        except BaseException as exc:
            os.write(1, f"{module}: {exc!r}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """What each module raises, imported as the first of ours where none of the heavy packages can be."""
    done = blocked(EACH_ALONE.replace("MODULES", repr(BOARD_SIDE)))
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("module", BOARD_SIDE)
def test_board_side_imports_without_heavy_packages(failed: dict[str, str], module: str) -> None:
    assert module not in failed, failed[module]


def test_help_needs_no_heavy_package() -> None:
    done = blocked("sys.argv = ['yolorknn', '--help']\nfrom yolorknn.__main__ import main\nmain()")
    assert done.returncode == 0, done.stderr
    assert "detect" in done.stdout


def test_importing_pulls_in_numpy_and_cv2_at_most() -> None:
    code = "import sys; import yolorknn; yolorknn.Detector\n"
    code += "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split()) - set(sys.stdlib_module_names)
    foreign = {name for name in loaded if not name.startswith("_") and name != "sitecustomize"}
    assert foreign - {"mpl_toolkits", "google", "cython_runtime"} == {"yolorknn", "numpy", "cv2"}
    assert done.stderr == ""


def test_help_loads_no_opencv() -> None:
    code = "import sys; sys.argv = ['yolorknn', '--help']\nfrom yolorknn.__main__ import main\ntry: main()\nfinally: "
    code += "assert not {'cv2', 'numpy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    assert yolorknn.__all__ == sorted(yolorknn.__all__)
    for name in yolorknn.__all__:
        assert getattr(yolorknn, name) is not None
    modules = {path.stem for path in (ROOT / "yolorknn").iterdir()}
    extra = {name for name in vars(yolorknn) if not name.startswith("_")} - set(yolorknn.__all__) - modules
    assert extra == {"TYPE_CHECKING", "lazily"}
    with pytest.raises(AttributeError, match="Detectr"):
        _ = yolorknn.Detectr


def test_every_error_is_in_the_tree() -> None:
    from yolorknn import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(error, errors.YolorknnError) for error in classes)
    assert all(error.__name__ in (errors.__doc__ or "") for error in classes)
    assert all(error.__name__ in yolorknn.__all__ for error in classes)


def test_onnxruntime_is_imported_where_it_is_told_to_tell_its_maker_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [path for path in (ROOT / "yolorknn").rglob("*.py") if "import onnxruntime\n" in path.read_text()]
    assert files == [ROOT / "yolorknn/runtime/ort.py"]
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    for asked, told in ((None, "1"), ("0", "0")):
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", asked or "")
        if asked is None:
            monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
        ort.imported()
        assert os.environ["ORT_DISABLE_TELEMETRY"] == told


def test_modules_stay_small() -> None:
    for path in (ROOT / "yolorknn").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 250, path


def test_the_package_carries_its_types() -> None:
    assert (Path(yolorknn.__file__).parent / "py.typed").exists()
