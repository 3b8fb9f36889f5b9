"""What stood in 0.1.0 stands yet (tests/recorded): its models are read, and what is printed has the same keys."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import yolorknn
from tests.conftest import DATASET, DEMO, DEMO_ONNX, needs_ort, needs_torch
from tests.fakes.earlier import assert_still_said, names_of, onnx_of, recorded, rknn_of
from yolorknn.cli.app import app
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.errors import MetadataError
from yolorknn.model import onnx_file, rknn_file
from yolorknn.model.metadata import ONNX_KEY, ModelMetadata, Tensor
from yolorknn.model.packing import pack, unpack
from yolorknn.tasks.known import metadata_of

IMAGE = "images/0003.jpg"


def plain(value: Any) -> Any:
    """Return what JSON makes of it: lists for tuples."""
    return json.loads(json.dumps(value))


def stated(tensors: list[Tensor]) -> Any:
    """Return name, shape and dtype of each."""
    return plain([tensor[:3] for tensor in tensors])


@pytest.mark.parametrize("name", names_of("rknn"))
def test_a_rknn_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    says = recorded(name)["says"]
    file = rknn_file.read(rknn_of(name, tmp_path))
    facts = {key: plain(getattr(file, key)) for key in ("platforms", "toolkit", "mean", "std")}
    facts |= {"inputs": stated(file.inputs), "outputs": stated(file.outputs)}
    assert facts == {key: says[key] for key in facts}
    if "refused" in says:
        with pytest.raises(MetadataError, match="is a generic model"):
            metadata_of(file)
        return
    metadata = metadata_of(file)
    assert_still_said(says["metadata"], metadata.describe(), where=name, values=True)
    assert metadata.build is not None
    options = BuildOptions.of(metadata.build)
    assert options.recorded() == metadata.build.options, "--simulate repeats the build"
    packed = pack(metadata)
    assert (packed is None) == ("sidecar" in recorded(name))
    assert ModelMetadata.from_json(metadata.to_json()) == metadata
    assert packed is None or unpack(packed) == metadata


@pytest.mark.parametrize("name", names_of("onnx"))
def test_an_onnx_is_read_as_it_was(tmp_path: Path, name: str) -> None:
    pytest.importorskip("onnx")
    file = onnx_file.read(onnx_of(name, tmp_path / "model.onnx"))
    then = recorded(name)
    assert (stated(file.inputs), stated(file.outputs)) == (then["inputs"], then["outputs"])
    assert file.properties[ONNX_KEY] == then["properties"]["yolorknn"]
    assert_still_said(then["says"], metadata_of(file).describe(), where=name, values=True)
    again = ModelMetadata.from_json(metadata_of(file).to_json())
    assert again == metadata_of(file)
    assert_still_said(json.loads(then["properties"]["yolorknn"]), json.loads(again.to_json()), where=name, values=True)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands were run."""
    monkeypatch.chdir(tmp_path)
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        (tmp_path / folder).mkdir()
        for file in sorted((DATASET / folder).glob(f"*.{suffix}"))[:6]:
            shutil.copy(file, tmp_path / folder)
    (tmp_path / "data.yaml").write_text(
        "val: images\n" + (DATASET / "data.yaml").read_text().partition("val: images\n")[2]
    )
    shutil.copy(DEMO_ONNX, "committed.onnx")
    shutil.copy(DEMO, "demo.pt")
    for name in ("rk3588-i8", "rk3588-i8-accuracy", "rk3588-generic"):
        (tmp_path / f"o_{name}").mkdir()
        rknn_of(f"rknn/{name}", tmp_path / f"o_{name}")
    return tmp_path


def printed(*words: str) -> str:
    return CliRunner().invoke(app, words, catch_exceptions=False).stdout


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param("onnx", "committed.onnx", marks=needs_ort),
        pytest.param("pt", "demo.pt", marks=needs_torch),
        ("rknn", "o_rk3588-i8/demo-rk3588-i8.rknn"),
        ("rknn-accuracy", "o_rk3588-i8-accuracy/committed-rk3588-i8.rknn"),
        ("rknn-generic", "o_rk3588-generic/demo-rk3588-fp16.rknn"),
    ],
)
def test_info(place: Path, name: str, model: str) -> None:
    then, now = recorded(f"commands/info-{name}"), json.loads(printed("info", model, "--json"))
    if model.endswith(".rknn"):
        assert then.pop("bytes") > now["bytes"], "the network is left out here"
        now = {key: now[key] for key in now if key != "bytes"}
    assert_still_said(then, now, where=f"info {model}", values=True)


@needs_ort
def test_detect(place: Path) -> None:
    """The line of a picture, key for key; numbers to the last digit that is printed."""
    then = recorded("commands/detect")
    now = json.loads(printed("detect", IMAGE, "--model", "committed.onnx", "--no-save", "--json", "-"))
    assert_still_said(then, now, where="detect")
    added = {"version": 1, "clock": "unix"}
    assert {**now, "timestamp": 0, "detections": 0} == {**then, **added, "timestamp": 0, "detections": 0}
    for before, after in zip(then["detections"], now["detections"], strict=True):
        assert list(before) == list(after) and before["name"] == after["name"]
        assert after["confidence"] == pytest.approx(before["confidence"], abs=1.01e-4)
        assert after["xyxy"] == pytest.approx(before["xyxy"], abs=1.01e-2)


@needs_ort
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("val", "val committed.onnx --data data.yaml"),
        ("bench", "bench committed.onnx --seconds 0.1"),
        ("bench-npu", "bench committed.onnx --seconds 0.1 --npu-ms 1 --cores 3"),
        ("doctor", "doctor"),
    ],
)
def test_the_keys_of_other_commands(place: Path, name: str, words: str) -> None:
    """Those of analyze and of the gate's reports are compared where they are made anyway: test_analyze, test_gate."""
    pytest.importorskip("pycocotools", reason="needs yolorknn[val]")
    assert_still_said(recorded(f"commands/{name}"), json.loads(printed(*words.split(), "--json")), where=name)


def test_public_names_and_parameters() -> None:
    then = recorded("public")
    assert set(then["all"]) <= set(yolorknn.__all__)
    parameters = inspect.signature(yolorknn.Detector).parameters
    defaults = {name: parameters[name].default for name in then["detector"]}
    assert {**defaults, "model": None} == then["detector"] and parameters["model"].default is inspect.Parameter.empty
    assert set(then["detector_public"]) <= set(dir(yolorknn.Detector))
    assert {name for name in vars(yolorknn.Backend) if name[0] != "_"} == set(then["backend"])
    for name, bases in then["errors"].items():
        assert set(bases) <= {base.__name__ for base in getattr(yolorknn.errors, name).__mro__}
    assert list(yolorknn.Detections.__dataclass_fields__)[:3] == then["detections"]
    for name in then["result"]:
        assert isinstance(vars(yolorknn.Result)[name], property)


@pytest.mark.parametrize("command", recorded("public")["commands"])
def test_arguments_and_options_of_the_commands(command: str) -> None:
    then = recorded("public")["commands"][command]
    group = typer.main.get_command(app)
    parameters = group.commands[command].params  # type: ignore[attr-defined]
    arguments = [parameter.name for parameter in parameters if parameter.param_type_name == "argument"]
    options = {
        name: plain(str(parameter.default) if isinstance(parameter.default, Path) else parameter.default)
        for parameter in parameters
        for name in (*parameter.opts, *parameter.secondary_opts)
        if parameter.param_type_name == "option"
    }
    assert arguments == then["arguments"]
    assert {name: options.get(name, "gone") for name in then["options"]} == then["options"]
