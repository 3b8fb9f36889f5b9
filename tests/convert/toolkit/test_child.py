"""The child process: any Python from 3.6 runs it, alone; and what its parent makes of what it answers."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.convert.toolkit.conftest import OURS, Pythons
from tests.fakes.waiting import until
from yolorknn.convert.toolkit import cst_softmax, own_op
from yolorknn.convert.toolkit.child import last_error
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.process import SCRIPT, Instance
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.convert.torch_session import TORCHSCRIPT
from yolorknn.errors import BuildError, InferenceError

ALONE = [SCRIPT, Path(cst_softmax.__file__), Path(own_op.__file__), TORCHSCRIPT]
ENV = {"json", "importlib.util", "os", "re", "shutil", "socket", "sys", "threading", "traceback", "typing"}


@pytest.mark.parametrize("script", ALONE, ids=lambda path: path.name)
def test_python_3_6_reads_it_and_it_imports_nothing_of_ours(script: Path) -> None:
    tree = ast.parse(script.read_text(), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= ENV | {"numpy", "rknn.api", "rknn.api.custom_op"} | (
        {"torch"} if script == TORCHSCRIPT else set()
    )
    at_once = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert script.name != "child.py" or at_once <= ENV, "numpy only where there are arrays"


def test_what_is_told_of_an_exception_that_quotes_another() -> None:
    """As 2.3.2 has them, and as others do."""
    quoted = (
        'Traceback (most recent call last):\n  File "rknn/api/rknn_log.py", line 95, in rknn.api.rknn_log.RKNNLog.e\n'
        "ValueError: All outputs ['y'] of model are constants, The model is invalid!\n"
        "                 Please check if the original model is valid?\n"
    )
    told = (
        "All outputs ['y'] of model are constants, The model is invalid! Please check if the original model is valid?"
    )
    assert last_error(quoted) == f"ValueError: {told}"
    assert last_error(f"{quoted}\ntorch.onnx.errors.SomeError: a\nb\nc\nd") == "torch.onnx.errors.SomeError: a b c"
    assert last_error("Traceback:\nThe platform rk9 is not supported\n") == "The platform rk9 is not supported"
    assert last_error("") == ""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "né two.onnx"
    path.write_text("a model")
    return path


def loaded(toolkit: Toolkit, model: Path) -> Rknn:
    rknn = toolkit.rknn()
    rknn.do("config", target_platform="rk3588", mean_values=[[0, 0, 0]], custom_string="né")
    rknn.do("load_onnx", model=model)
    return rknn


@pytest.mark.parametrize("version", ["3.6", "3.8", OURS])
def test_a_build_in_another_python(version: str, python_with_fake: Pythons, model: Path, tmp_path: Path) -> None:
    """Calls without arrays need no numpy there; codes, exceptions and output come back; objects are forgotten."""
    log, told = Log(tmp_path / "x.log"), list[tuple[str, float]]()
    python = python_with_fake(version)
    with Toolkit(log, python=python, progress=lambda *step: told.append(step)) as toolkit:
        rknn = loaded(toolkit, model)
        with pytest.raises(
            BuildError, match=r"failed in build: build returned -1: E build: The dataset .*absent.*x\.log"
        ):
            rknn.do("build", do_quantization=True, dataset=tmp_path / "absent.txt")
        rknn.do("build", do_quantization=False)
        rknn.do("export_rknn", export_path=tmp_path / "m.rknn")
        assert json.loads((tmp_path / "m.rknn").read_text()) == {"target_platform": ["rk3588"], "custom_string": "né"}
        with pytest.raises(BuildError, match=r"failed in build: build returned -1: "):
            rknn.do("build", do_quantization=False)
        rknn.forget()
        with pytest.raises(BuildError, match="failed in config: The platform rk9 is not supported"):
            toolkit.rknn().do("config", target_platform="rk9")
        with pytest.raises(BuildError, match=r"failed in config: .*unexpected keyword argument 'warp'"):
            toolkit.rknn().do("config", warp=9)
        toolkit.check()
    steps = [step for step, done in told if done == 0]
    assert steps == ["config", "load_onnx", "build", "build", "export_rknn", "build", "config", "config"]
    assert "Traceback" in log.text() and "\x1b" not in log.text()


def test_a_model_that_a_full_disk_cut_off(fake: Path, tmp_path: Path) -> None:
    made = tmp_path / "m.rknn"
    with Toolkit(Log(tmp_path / "x.log"), python=fake, name="rknn-toolkit 1.7") as toolkit:
        for absent in (True, False):
            with pytest.raises(
                BuildError, match=r"^rknn-toolkit 1\.7 returned 0 but wrote no model: is the disk full\?"
            ):
                toolkit.check_written(made)
            made.write_bytes(b"" if absent else b"RKNN")
        toolkit.check_written(made)


def test_arrays_go_there_and_back(fake: Path, model: Path, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    with Toolkit(Log(tmp_path / "x.log"), python=fake) as toolkit:
        rknn = loaded(toolkit, model)
        rknn.do("build", do_quantization=False)
        rknn.do("init_runtime")
        for pixels in (image, image[..., ::-1], image[::2]):
            out, mean = rknn.infer(pixels[None])
            assert out.dtype == np.float32 and np.array_equal(out, pixels.transpose(2, 0, 1)[None])
            assert mean == pytest.approx([pixels.mean()])
        assert {path.name for path in toolkit.scratch.iterdir()} == {"in0.npy", "out0.npy", "out1.npy"}
        with pytest.raises(InferenceError, match=r"returned nothing: E inference: unsupported input \(log: .*x\.log\)"):
            rknn.infer(image[None].astype(np.float64))
    with pytest.raises(InferenceError, match="its process ended with signal SIGKILL"):
        rknn.infer(image[None])


def test_custom_ops_of_a_file(fake: Path, model: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "a user's.py"
    theirs.write_text(
        "class cstGelu:\n    op_type = 'cstGelu'\n    def shape_infer(self, node, in_shapes, in_dtypes): ...\n"
        "    def compute(self, node, x): ...\n"
    )
    with Toolkit(Log(tmp_path / "x.log"), python=fake) as toolkit:
        rknn = loaded(toolkit, model)
        rknn.do("reg_custom_op", custom_op=Instance(Path(cst_softmax.__file__), "CstSoftmax"))
        with pytest.raises(BuildError, match=r"reg_custom_op: The parameters of compute must be"):
            rknn.do("reg_custom_op", custom_op=Instance(theirs, "cstGelu"))
        with pytest.raises(BuildError, match=r"reg_custom_op: .*no attribute 'cstSilu'"):
            rknn.do("reg_custom_op", custom_op=Instance(theirs, "cstSilu"))


def test_softmax() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32) * 50
    expected = np.exp(x.astype(np.float64))
    expected /= expected.sum(axis=1, keepdims=True)
    assert cst_softmax.softmax(x, 1) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert cst_softmax.softmax(x, 1).dtype == np.float32


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("it aborts", r"failed in build: its process ended with signal SIGABRT: Meet unsupported conv \(log: "),
        ("it complains", r"failed in build: E RKNN: REGTASK: The bit width .* \(log: "),
        ("it hangs", r"failed in build: no answer in 3 s \(log: "),
    ],
)
def test_what_the_vendor_does_not_say_by_its_code(
    fake: Path, model: Path, tmp_path: Path, text: str, words: str
) -> None:
    model.write_text(text)
    with Toolkit(Log(tmp_path / "x.log"), python=fake, limit=3) as toolkit, pytest.raises(BuildError, match=words):
        loaded(toolkit, model).do("build", do_quantization=False)
        toolkit.check()


def test_bars_are_told(fake: Path, model: Path, tmp_path: Path) -> None:
    model.write_text("it hangs")
    told = list[tuple[str, float]]()
    with (
        Toolkit(Log(tmp_path / "x.log"), python=fake, progress=lambda *bar: told.append(bar), limit=3) as toolkit,
        pytest.raises(BuildError, match="no answer"),
    ):
        loaded(toolkit, model).do("build", do_quantization=False)
    assert ("Loading", 1.0) in told


def test_pythons_that_do_not_do(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot run the Python .*absent: No such file"):
        Toolkit(Log(tmp_path / "x.log"), python=tmp_path / "absent")
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    with (
        Toolkit(Log(tmp_path / "x.log"), python=bare / "bin/python") as toolkit,
        pytest.raises(BuildError, match="failed in import: No module named 'rknn'"),
    ):
        toolkit.rknn()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_its_parent(fake: Path, model: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C reaches the parent alone; when it is gone, the child goes too, and takes its scratch folder along."""
    model.write_text("it hangs")
    code = (
        "from pathlib import Path; import sys\n"
        "from yolorknn.convert.toolkit.log import Log; from yolorknn.convert.toolkit.toolkit import Toolkit\n"
        "with Toolkit(Log(Path('x.log')), python=Path(sys.argv[1])) as toolkit:\n"
        "    rknn = toolkit.rknn(); rknn.do('config', target_platform='rk3588')\n"
        "    rknn.do('load_onnx', model=sys.argv[2]); print(toolkit.scratch, flush=True)\n"
        "    rknn.do('build', do_quantization=False)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, fake, model], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        env=environment, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        scratch = Path(process.stdout.readline().strip())
        assert scratch.is_dir() and working_in(scratch)
        process.send_signal(how)
        process.wait(20)
    until(lambda: not scratch.exists() and not working_in(scratch))


def working_in(folder: Path) -> list[Any]:
    """Return the processes whose working directory is a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [link] if link.readlink() == folder else []
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found
