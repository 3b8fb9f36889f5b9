"""Runner on a board's two runtimes and on the simulator: the same arrays, whatever these take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.rknn_files import write_generic
from tests.fakes.rknnlite import FakeRKNNLite, install
from tests.fakes.standin import Library, compile_standin, needs_compiler, write_replay
from tests.fakes.tiny_onnx import IMAGE, VECTOR, Node, computed, of_nodes
from yolorknn import Place, Runner, Tensor, build
from yolorknn.convert.toolkit import process
from yolorknn.errors import CalibrationError, InputError, MetadataError, ModelError
from yolorknn.model import rknn_file
from yolorknn.model.generic import GenericMetadata
from yolorknn.model.metadata import Build
from yolorknn.model.packing import pack_generic
from yolorknn.model.platforms import PLATFORMS
from yolorknn.runtime import cores, rknn_api


@pytest.fixture
def rknn(tmp_path: Path) -> Path:
    """The outside of a .rknn whose outputs are of three kinds: int8, float16, and integers at its source."""
    return write_generic(
        tmp_path / "two.rknn",
        {"image": (1, 3, 4, 6), "a/b": (1, 5), "ids": (1, 7)},
        {"y": (1, 6), "z": (1, 2, 3, 5), "top": (1,)},
        dtypes={"ids": "int64", "top": "int64"},
        quantized={"y": (-1.28, 1.27)},
    )


ANSWER = [
    np.linspace(-1.2, 1.2, 6, dtype=np.float32).reshape(1, 6),
    np.arange(30, dtype=np.float32).reshape(1, 2, 3, 5),
    np.array([4], np.float32),
]


def check(outputs: dict[str, NDArray[Any]]) -> None:
    assert [(name, array.shape, array.dtype.name) for name, array in outputs.items()] == [
        ("y", (1, 6), "float32"),
        ("z", (1, 2, 3, 5), "float32"),
        ("top", (1,), "int64"),
    ]
    assert np.abs(outputs["y"] - ANSWER[0]).max() <= 0.0051, "within half a step of int8"
    assert np.array_equal(outputs["z"], ANSWER[1]) and outputs["top"] == [4]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_standin(tmp_path_factory.mktemp("standin"))


@needs_compiler
def test_on_librknnrt_every_input_arrives_as_the_library_converts_it(
    standin: Path, rknn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(standin),))
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    library.set(SOC="rk3588", REPLAY=write_replay(tmp_path / "replay.bin", {0: ANSWER}))
    arrays = {"image": IMAGE, "a/b": VECTOR, "ids": np.arange(7)}
    with Runner(rknn, runtime="c") as runner:
        assert runner.inputs[2] == Tensor("ids", (1, 7), "int64") and runner.inputs[0].shape == (1, 3, 4, 6)
        assert runner.outputs[2].dtype == "int64" and len(runner.busy) == 3
        check(runner.run(arrays))
        check(runner.run({**arrays, "image": IMAGE.astype(np.float64), "a/b": VECTOR[0].astype(np.float16)}))
        check(runner.run({**arrays, "image": np.zeros((3, 4, 6), np.uint8)}))
        for outputs in runner.stream([arrays] * 20):
            check(outputs)
        with pytest.raises(ValueError, match="input ids"):
            runner.run({**arrays, "ids": np.arange(8)})
    library.check()
    assert {call["ret"] for call in library.calls("rknn_inputs_set")} == {0}
    assert len({call["ctx"] for call in library.calls("rknn_run")}) > 1, "the stream uses several cores"


@needs_compiler
def test_on_librknnrt_inputs_of_types_that_images_never_have(
    standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As masks are of bool, which the library says too; float64 and uint64 it does not take."""
    call = rknn_api.Library.call

    def saying_bool(library: rknn_api.Library, name: str, *arguments: Any) -> int:
        code = call(library, name, *arguments)
        if name == "rknn_query" and arguments[1] == rknn_api.INPUT and arguments[2]._obj.index == 0:
            arguments[2]._obj.type = 9
        return code

    monkeypatch.setattr(rknn_api.Library, "call", saying_bool)
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(standin),))
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    library.set(SOC="rk3588", REPLAY=write_replay(tmp_path / "replay.bin", {0: [np.ones((1, 3))]}))
    names = ("bool", "float64", "uint64")
    model = write_generic(
        tmp_path / "m.rknn", dict.fromkeys(names, (1, 4)), {"y": (1, 3)}, dtypes={name: name for name in names}
    )
    with Runner(model, runtime="c") as runner:
        given: dict[str, Any] = {"bool": [True, False, True, True], "float64": [0.5, 1e300, -1, 2], "uint64": range(4)}
        assert np.array_equal(runner.run(given)["y"], np.ones((1, 3)))
        with pytest.raises(InputError, match="input uint64 has numbers beyond int64, which librknnrt does not take"):
            runner.run({**given, "uint64": np.full(4, 2**63, np.uint64)})
    library.check()
    assert {call["ret"] for call in library.calls("rknn_inputs_set")} == {0}


def test_on_the_wheel_inputs_are_a_list_of_floats_and_images_are_nhwc(
    rknn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, modules = install("rk3588")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])
    got: list[tuple[NDArray[Any], ...]] = []

    def answer(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
        got.append(arrays)
        return [array.copy() for array in ANSWER]

    fake.answer = staticmethod(answer)
    with Runner(rknn, runtime="lite") as runner:
        check(runner.run({"image": IMAGE, "a/b": VECTOR.astype(np.float64), "ids": list(range(7))}))
        pixels = np.full((3, 4, 6), 200, np.uint8)
        check(runner.run({"image": pixels, "a/b": VECTOR, "ids": np.arange(7, dtype=np.int16)}))
    assert isinstance(fake, type) and issubclass(fake, FakeRKNNLite) and not fake.wrongs and not fake.live
    (image, vector, ids), (second, *_) = got
    assert np.array_equal(image.transpose(0, 3, 1, 2), IMAGE) and np.array_equal(vector, VECTOR)
    assert ids.dtype == np.int64 and second.dtype == np.uint8 and (second == 200).all()


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
def test_on_the_simulator_the_child_lives_between_runs(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    class Counted(process.Process):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            started.append(self)
            super().__init__(*arguments, **options)

    monkeypatch.setattr("yolorknn.convert.toolkit.toolkit.Process", Counted)
    with Runner(two, place=Place(simulate=True)) as runner:
        assert [tensor._replace(dtype="") for tensor in runner.inputs] == [
            Tensor("image", (1, 3, 4, 6), "", "NCHW"),
            Tensor("a/b", (1, 5), ""),
        ]
        for factor in (1, 2, -1):
            arrays = {"image": IMAGE * factor, "a/b": VECTOR.astype(np.float64)}
            theirs = computed(two, {"image": IMAGE * factor, "a/b": VECTOR})
            ours = runner.run(arrays)
            assert np.abs(ours["y"] - theirs["y"]).max() < 0.01
            assert np.array_equal(ours["top"], theirs["top"]) and ours["top"].dtype == np.int64
        with pytest.raises(ValueError, match="input a/b is not given"):
            runner.run(image=IMAGE)
    assert len(started) == 1, "one child, one import of the toolkit"


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
def test_outputs_of_one_number_have_the_models_own_shape(tmp_path: Path) -> None:
    """The simulator gives (1,) for ()."""
    nodes: list[Node] = [("Mul", ["x", "w"], "y", {}), ("ReduceMean", ["y"], "mean", {"keepdims": 0})]
    net = of_nodes(
        tmp_path / "n.onnx", nodes, {"x": (1, 5)}, {"y": (1, 5), "mean": ()}, {"w": np.full(5, 3, np.float32)}
    )
    with Runner(net) as here, Runner(net, place=Place(simulate=True)) as there:
        expected, found = here.run(VECTOR), there.run(VECTOR)
    assert {name: array.shape for name, array in found.items()} == {"y": (1, 5), "mean": ()}
    assert all(np.allclose(expected[name], found[name], atol=0.01) for name in expected)


@needs_ort
@needs_toolkit
@pytest.mark.toolkit
def test_a_built_model_is_simulated_as_it_was_built(two: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        np.save(rows / f"i{number}.npy", rng.normal(size=(1, 3, 4, 6)).astype(np.float32))
        np.save(rows / f"v{number}.npy", rng.normal(size=(1, 5)).astype(np.float32))
    (rows / "list.txt").write_text("".join(f"i{number}.npy v{number}.npy\n" for number in range(6)))
    made = build(two, dataset=rows / "list.txt", generic=True, output=tmp_path / "out")
    build_of = rknn_file.read(made).recorded()
    assert isinstance(build_of, GenericMetadata) and build_of.source_of(made).resolve() == two.resolve()
    assert build_of.build.images == 6 and build_of.build.dtype == "i8"
    with Runner(made, place=Place(simulate=True)) as runner:
        assert runner.inputs[1] == Tensor("a/b", (1, 5), "float32") and runner.outputs[1] == Tensor(
            "top", (1,), "int64"
        )
        arrays = {"image": np.load(rows / "i0.npy"), "a/b": np.load(rows / "v0.npy")}
        ours, theirs = runner.run(arrays)["y"], computed(two, arrays)["y"]
        assert 0 < np.abs(ours - theirs).max() < 0.1, "quantized"
    np.save(rows / "i0.npy", rng.normal(size=(1, 3, 4, 6)).astype(np.float32))
    with pytest.raises(CalibrationError, match=r"does not hold the 6 images that the \.rknn was calibrated with"):
        Runner(made, place=Place(simulate=True))
    two.write_bytes(two.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"two\.onnx has changed since"):
        Runner(made, place=Place(simulate=True))
    two.unlink()
    with pytest.raises(ModelError, match="needs the ONNX it was built from, but there is no"):
        Runner(made, place=Place(simulate=True))


def test_an_earlier_generic_model_does_not_say_how_it_was_built(rknn: Path, tmp_path: Path) -> None:
    assert rknn_file.read(rknn).recorded() is None
    with pytest.raises(ModelError, match="does not say how it was built"):
        Runner(rknn, place=Place(simulate=True))
    metadata = GenericMetadata("m.onnx", "0" * 64, Build("rk3588", "fp16", "2.3.2"))
    shapes = {"x": (1, 2)}, {"y": (1, 2)}
    packed = write_generic(tmp_path / "a.rknn", *shapes, custom=pack_generic(metadata))
    assert rknn_file.read(packed).recorded() == metadata
    long = write_generic(tmp_path / "b.rknn", *shapes)
    long.with_suffix(".json").write_text(metadata.to_json())
    assert rknn_file.read(long).recorded() == metadata, "beside it, where it does not fit"
    broken = write_generic(tmp_path / "c.rknn", *shapes, custom="yolorknn1:generic:x!")
    with pytest.raises(MetadataError, match="not readable"):
        rknn_file.read(broken).recorded()
    other = GenericMetadata("m.onnx", "0" * 64, Build("rk3566", "fp16", "2.3.2"))
    with pytest.raises(MetadataError, match="its metadata says otherwise"):
        rknn_file.read(write_generic(tmp_path / "d.rknn", *shapes, custom=pack_generic(other))).recorded()
