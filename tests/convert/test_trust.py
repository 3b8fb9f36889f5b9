"""A .pt is a program: what it may do when it is loaded or looked at, and what is said of those of others."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import types
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DEMO, ROOT, SHARED, needs_ort, needs_torch
from yolorknn.convert.export.inspect import inspect
from yolorknn.errors import ExportError

pytestmark = needs_torch
PLACES = [
    "root", "beside", "attribute", "layer", "hook", "names", "args", "called", "through a layer", "evaluated", "got",
]  # fmt: skip


def checkpoint() -> Any:
    import torch

    return torch.load(DEMO, weights_only=False)


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def touch(path: Path) -> Calls:
    """Return what makes a file where it is loaded."""
    import os

    return Calls(os.system, f"touch '{path}'")


def saved(path: Path, thing: Any) -> Path:
    import torch

    torch.save(thing, path)
    return path


def places(mark: Path) -> dict[str, Any]:
    """Checkpoints that make a file when they are loaded, each in another way."""
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel

    found: dict[str, Any] = {"root": touch(mark), "beside": {**checkpoint(), "optimizer": touch(mark)}}
    for name in ("attribute", "layer", "hook", "names", "args"):
        found[name] = checkpoint()
    found["attribute"]["model"].criterion = touch(mark)
    found["layer"]["model"].model[0] = nn.Sequential()
    found["layer"]["model"].model[0]._modules["0"] = touch(mark)
    found["hook"]["model"].model[0]._forward_hooks[1] = touch(mark)
    found["names"]["model"].names = touch(mark)
    found["args"]["train_args"] = touch(mark)
    # ultralytics parses the activation of a network's description as Python
    network = {**checkpoint()["model"].yaml, "activation": f"__import__('os').system('touch {mark}') or nn.SiLU()"}
    found["called"] = {"model": Calls(DetectionModel, network), "ema": None}
    found["through a layer"] = checkpoint()
    found["through a layer"]["model"].model[0]._modules["0"] = Calls(DetectionModel, network)
    found["evaluated"] = {**checkpoint(), "model": Calls(eval, f"open('{mark}', 'w')")}
    found["got"] = {**checkpoint(), "model": Calls(getattr, nn.Module, "forward")}
    return found


@pytest.mark.parametrize("place", PLACES)
@needs_ort
def test_nothing_in_a_file_runs(tmp_path: Path, place: str) -> None:
    """Where only what is not needed is odd, the model is loaded; else it is refused. Nothing runs either way."""
    from yolorknn.convert.export.checkpoint import load, quiet

    mark = tmp_path / "ran"
    path = saved(tmp_path / "m.pt", places(mark)[place])
    for look in (inspect, load):
        try:
            with quiet():
                look(path)
        except ExportError as exc:
            assert place not in ("beside", "attribute") and "\n" not in str(exc)
    assert not mark.exists()
    if place in ("layer", "hook"):
        with quiet(), pytest.raises(ExportError, match=r"posix\.system.*add --trust"):
            load(path)
        with quiet(), suppress(ExportError):
            load(path, trust=True)
        assert mark.exists(), "it is a file that would have run"


@pytest.mark.parametrize("weights", ["demo", "yolov8n", "yolo11n", "yolov8n-seg", "yolov8n-pose"])
def test_stock_checkpoints_are_loaded_as_ultralytics_loads_them(weights: str) -> None:
    import torch

    from yolorknn.convert.export.checkpoint import load, quiet

    path = DEMO if weights == "demo" else SHARED / f"weights/{weights}.pt"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with quiet():
        (ours, _), (theirs, _) = load(path), load(path, trust=True)
    facts = inspect(path)
    assert facts["parameters"] == sum(parameter.numel() for parameter in theirs.parameters())
    assert facts["head"] == type(theirs.model[-1]).__name__ and facts["task"] == theirs.task == ours.task
    assert facts["strides"] == theirs.stride.tolist() and dict(enumerate(facts["names"])) == theirs.names == ours.names
    assert ours.args == theirs.args and facts["imgsz"] == [ours.args["imgsz"]] * 2
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected) and all(torch.equal(state[name], expected[name]) for name in state)
    assert [(type(a), a.training) for a in ours.modules()] == [(type(b), b.training) for b in theirs.modules()]


def test_info_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys\nfor name in ('torch', 'ultralytics', 'onnx'): sys.modules[name] = None\n"
    code += f"sys.argv = ['yolorknn', 'info', '{DEMO}', '--json']\nfrom yolorknn.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout)["strides"] == [8, 16, 32]


def module_of(name: str, **state: Any) -> Any:
    """Return a network of a class of another package, that pickles as such."""
    import torch

    package, _, word = name.rpartition(".")
    parts = package.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    kind = vars(sys.modules[package]).get(word) or type(word, (torch.nn.Module,), {"__module__": package})
    setattr(sys.modules[package], word, kind)
    made = kind()
    vars(made).update(state)
    return made


def with_layer(name: str) -> Any:
    found = checkpoint()
    found["model"].model[1] = module_of(name)
    return found


def tensors(*names: str) -> dict[str, Any]:
    import torch

    return {name: torch.zeros(2) for name in names}


def others() -> list[tuple[Any, str]]:
    """What others save as .pt, and the words by which they must be told."""
    v7 = module_of("models.yolo.Model")
    v7.add_module("head", module_of("models.yolo.IDetect"))
    v9 = module_of("models.yolo.DetectionModel")
    v9.add_module("a", module_of("models.common.RepNCSPELAN4"))
    return [
        ({"model": module_of("models.yolo.DetectionModel", names={0: "a"}), "ema": None}, "YOLOv5.*--generic"),
        ({"model": v7}, "YOLOv7.*--generic"),
        ({"model": v9}, "YOLOv9.*--generic"),
        ({"model": module_of("yolov6.models.yolo.Model"), "ema": None}, "YOLOv6.*--generic"),
        ({"start_epoch": 3, "model": tensors("backbone.backbone.stem.conv.conv.weight"), "optimizer": {}}, "YOLOX"),
        ({"meta": {}, "state_dict": tensors("bbox_head.a", "bbox_head.b")}, "MMDetection"),
        (tensors("model.0.conv.weight", "model.0.bn.weight"), "state dict.*its YOLO"),
        ({"model_state_dict": tensors("conv1.weight"), "epoch": 1}, "state dict.*--generic"),
        (module_of("mine.Net"), r"something else \(mine\.Net\)"),
        (with_layer("ultralytics.nn.modules.block.MyBlock"), "fork of ultralytics.*MyBlock"),
        (with_layer("mine.Layer"), r"mine\.Layer.*--trust"),
        ({"a": 1}, "something else"),
    ]


def test_other_programs_checkpoints_are_named(tmp_path: Path) -> None:
    from yolorknn.convert.export.export import export

    before = dict(sys.modules)
    try:
        files = [(saved(tmp_path / f"{n}.pt", thing), words) for n, (thing, words) in enumerate(others())]
        for name in set(sys.modules) - set(before):  # they are not installed where the files are read
            if name.partition(".")[0] in ("models", "yolov6", "mine"):
                del sys.modules[name]
        vars(sys.modules["ultralytics.nn.modules.block"]).pop("MyBlock", None)
        for path, words in files:
            with pytest.raises(ExportError, match=words):
                export(path, output=tmp_path / "out")
            if "trust" not in words and "fork" not in words:
                with pytest.raises(ExportError, match=words):
                    inspect(path)
    finally:
        vars(sys.modules["ultralytics.nn.modules.block"]).pop("MyBlock", None)


def test_files_that_are_no_pickle(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "m.pt"
    for data, words in [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x80\x02cos\nsystem\nq\0X\x01\0\0\0xq\1\x85q\2Rq\3.", "something else"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ExportError, match=words):
            inspect(path)
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))
    with pytest.raises(ExportError, match="TorchScript"):
        inspect(path)
    torch.save({"model": torch.nn.Linear(1, 1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ExportError, match="something else"):
        inspect(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02" + b"]" * 300_000 + b".",
        b"\x80\x02" + b"(" * 300_000 + b".",
        b"\x80\x02}X\x01\0\0\0a" + b"q\x00h\x00\x86" * 200 + b"h\x00s.",  # a tuple of tuples of ..., hashed
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
        b"\x80\x02(" + b"}" * 100 + b"u.",
    ],
)
def test_bombs(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", data)
    with pytest.raises(ExportError):
        inspect(path)
    path.write_bytes(data)
    with pytest.raises(ExportError):
        inspect(path)


def test_a_pickle_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("m/data.pkl", "w") as file:
        file.write(pickle.PROTO + b"\x02")
        for _ in range(50):
            file.write(b"]" * 1_000_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ExportError, match="of something else"):
        inspect(path)
