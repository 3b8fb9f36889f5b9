"""`yolorknn toolkit install`: with pip and wheels of stand-ins, under the Pythons that this machine has."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.convert.toolkit.conftest import base
from tests.fakes.waiting import until
from tests.fakes.wheels import make_index, make_wheel
from yolorknn.convert.toolkit.environment import install
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import BuildError, MissingDependencyError
from yolorknn.toolkits.installed import SHARED, choose, data_folder, environments

UV = shutil.which("uv")
LOG = r" \(log: .*\.log\)$"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_index(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder, and pip's and uv's settings so that the stand-ins are all there is."""
    for name, value in {
        "XDG_DATA_HOME": str(tmp_path / "a home/.data"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
        "TMPDIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("YOLORKNN_TOOLKIT", raising=False)
    which = shutil.which
    monkeypatch.setattr("shutil.which", lambda name: None if name == "uv" else which(name))
    monkeypatch.setattr("tempfile.tempdir", None)
    return data_folder()


def test_an_environment_is_made_and_used(data: Path, tmp_path: Path) -> None:
    """The newest that may be beside the toolkit are in it, the child runs there, and a second install makes none."""
    told: list[str] = []
    made = install("2.5.0", progress=lambda step, _: told.append(step))
    assert made.folder == data / "2.5.0" and environments(data) == [made] == [choose("2.5.0")]
    assert {path.name for path in data.iterdir()} == {"2.5.0"}
    versions = {path.name.split("-")[0]: path.name.split("-")[1] for path in made.packages.glob("*.dist-info")}
    assert versions["numpy"].startswith("1.26.4")
    assert versions["onnx"].startswith("1.18") and versions["setuptools"].startswith("65.")
    assert versions["torch"].startswith("2.4.0")
    model = tmp_path / "m.onnx"
    model.write_text("a model")
    with Toolkit(Log(tmp_path / "x.log"), python=made.python) as toolkit:
        rknn = toolkit.rknn()
        rknn.do("config", target_platform="rk3588")
        rknn.do("load_onnx", model=model)
        rknn.do("build", do_quantization=False)
    assert told[0].startswith("Python") and "torch 2.4.0" in told and told[-1] == "checking it"
    before = (data / "2.5.0").stat()
    assert install("2.5.0") == made and (data / "2.5.0").stat() == before
    assert not list(tmp_path.glob("yolorknn-*")), "the log went"


@pytest.mark.slow
def test_what_is_installed_and_fails_is_not_kept(
    data: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "wheels"
    shutil.copytree(wheels, theirs)
    monkeypatch.setenv("PIP_FIND_LINKS", str(theirs))
    make_wheel(theirs, "onnx", "1.18.0", {"onnx.py": "__version__ = '1.19.0'\n"})
    with pytest.raises(
        BuildError, match=r"does not work: AssertionError: it needs onnx before 1\.19, not 1\.19\.0" + LOG
    ):
        install()
    (theirs / "torch-2.4.0-py3-none-any.whl").unlink()
    with pytest.raises(BuildError, match=r"the installer failed: ERROR: .*torch==2\.4\.0.*" + LOG):
        install()
    assert list(data.iterdir()) == [] == environments(data)


@pytest.mark.slow
def test_one_that_shares_our_packages(data: Path) -> None:
    """It has the toolkit alone; where what it shares is gone it is broken, and made anew."""
    made = install("2.3.2", share=True)
    found = {path.name.split("-")[0] for path in made.packages.glob("*.dist-info")}
    assert "rknn_toolkit2" in found and not {"numpy", "torch", "onnx"} & found
    assert made.has("pytest") and not made.has("no_such_package")
    (made.packages / SHARED).write_text("/nowhere\n")
    (broken,) = environments(data)
    assert broken.broken == "there is no /nowhere any more"
    with pytest.raises(MissingDependencyError, match=r"2\.3\.2.* is broken \(.*'yolorknn toolkit install 2\.3\.2'"):
        choose_in_environments(data)
    assert install("2.3.2", share=True) == made


def choose_in_environments(data: Path) -> None:
    """As where no toolkit is beside yolorknn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yolorknn.toolkits.installed.beside", lambda: None)
        choose()


HANGING = "import time\nclass RKNN:\n    def __init__(self, verbose): open({file!r}, 'w').close(); time.sleep(60)\n"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_install_that_is_interrupted_leaves_none(
    data: Path, wheels: Path, tmp_path: Path, how: signal.Signals
) -> None:
    theirs, begun = tmp_path / "wheels", tmp_path / "begun"
    shutil.copytree(wheels, theirs)
    files = {"rknn/__init__.py": "", "rknn/api/__init__.py": HANGING.format(file=str(begun))}
    make_wheel(theirs, "rknn-toolkit2", "2.3.2", files)
    command = [sys.executable, "-m", "yolorknn", "toolkit", "install"]
    environment = {**os.environ, "PIP_FIND_LINKS": str(theirs), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        until(begun.exists, by=process)
        counted = environments(data)
        os.killpg(process.pid, how)
        assert counted == [] and process.wait(20) == (130 if how == signal.SIGINT else -9)
    assert environments(data) == []
    made = install()
    assert {path.name for path in data.iterdir()} == {"2.3.2"} and environments(data) == [made]


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_a_python_that_is_too_old_or_new(version: str, data: Path) -> None:
    python = base(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    with pytest.raises(BuildError, match=rf"is Python {version}, and rknn-toolkit2 needs 3\.10, 3\.11 or 3\.12"):
        install(python=python)
    with pytest.raises(BuildError, match=r"/absent is no Python that makes environments"):
        install(python=data / "absent")
    assert list(data.iterdir()) == []


def test_a_machine_without_such_a_python(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim of pyenv's that has no version set says so and fails; it is passed over."""
    shim = tmp_path / "bin/python3.11"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.11: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "absent"))
    with pytest.raises(BuildError, match=r"needs Python 3\.10, 3\.11 or 3\.12, and none .*--python"):
        install()


@pytest.mark.skipif(UV is None, reason="this machine has no uv")
def test_with_uv(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: UV)
    made = install("2.3.2")
    assert environments(data) == [made]


def test_another_machine(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(BuildError, match="no packages for Linux on riscv64"):
        install()


def test_the_command(data: Path) -> None:
    """What it lists is what choose() takes, and options that do not go together are a usage error."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "yolorknn", "toolkit", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    whole, broken = data / "2.5.0", data / "2.4.9"
    for folder in (whole, broken):
        (folder / "lib/python3.11/site-packages/rknn/api").mkdir(parents=True)
        (folder / "lib/python3.11/site-packages" / f"rknn_toolkit2-{folder.name}.dist-info").mkdir()
    (whole / "bin").mkdir()
    (whole / "bin/python").symlink_to(sys.executable)
    (data / ".yolorknn-made-0123456789abcdef").mkdir()
    listed = json.loads(run("list", "--json").stdout)
    ours = [record for record in listed if record["folder"] is None]
    assert [record for record in listed if record["folder"]] == [
        {"version": "2.5.0", "folder": str(whole), "python": str(whole / "bin/python"), "used": not ours, "broken": ""},
        {
            "version": "2.4.9",
            "folder": str(broken),
            "python": str(broken / "bin/python"),
            "used": False,
            "broken": f"there is no {broken / 'bin/python'} any more",
        },
    ]
    assert [record["used"] for record in ours] == [True] * len(ours)
    lines = run("list").stdout.splitlines()
    assert lines[-2].startswith(f"2.5.0    {whole}") and "broken: there is no" in lines[-1]
    for words in (
        ["list", "2.5.0"],
        ["list", "--share"],
        ["install", "--json"],
        ["install", "--share", "--python", "x"],
    ):
        assert run(*words).returncode == 2
    again = run("install", "2.5.0")
    assert (again.returncode, again.stdout) == (0, f"{whole}\n")
