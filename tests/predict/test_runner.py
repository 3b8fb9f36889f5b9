"""Runner: arrays by name, checked before any runtime sees them; the same call wherever the model runs."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.conftest import needs_ort
from tests.fakes.forks import forked
from tests.fakes.rknn_files import write_generic
from tests.fakes.tiny_onnx import IMAGE, VECTOR, computed, embedding
from yolorknn import Runner, Tensor
from yolorknn.errors import BackendError, InferenceError, ModelError
from yolorknn.model.interface import Interface
from yolorknn.predict import runner as runner_module
from yolorknn.runtime.laid import as_own, check_whole, laid

BOTH: dict[str, Any] = {"image": IMAGE, "a/b": VECTOR}


def same(ours: dict[str, NDArray[Any]], theirs: dict[str, NDArray[Any]]) -> bool:
    return list(ours) == list(theirs) and all(
        ours[name].dtype == theirs[name].dtype and np.array_equal(ours[name], theirs[name]) for name in ours
    )


@needs_ort
def test_a_model_says_what_it_takes_and_gives_and_computes_what_onnxruntime_does(two: Path) -> None:
    with Runner(two) as runner:
        assert runner.inputs == (
            Tensor("image", (1, 3, 4, 6), "float32", "NCHW"),
            Tensor("a/b", (1, 5), "float32"),
        )
        assert runner.outputs == (Tensor("y", (1, 6), "float32"), Tensor("top", (1,), "int64"))
        theirs = computed(two, BOTH)
        assert same(runner.run(BOTH), theirs)
        assert same(runner.run({"a/b": VECTOR}, image=IMAGE), theirs), "names that Python has by name"
        assert same(runner.run((IMAGE, VECTOR)), theirs), "a tuple in the model's order"
        assert same(runner.run({"image": IMAGE[0], "a/b": VECTOR[0]}), theirs), "without the axis of one"
        assert same(runner.run({"image": IMAGE.astype(np.float64), "a/b": VECTOR[0].tolist()}), theirs)
        assert same(runner.run({"image": np.asfortranarray(IMAGE), "a/b": VECTOR}), theirs)
        pixels = np.arange(72, dtype=np.uint8).reshape(3, 4, 6)
        theirs = computed(two, {"image": pixels[None].astype(np.float32), "a/b": VECTOR})
        assert same(runner.run({"image": pixels, "a/b": VECTOR}), theirs), "pixels as they are"


def test_a_scalar_stays_one() -> None:
    scalar = Tensor("s", (), "float32")
    assert laid(3, scalar, scalar).shape == ()


@needs_ort
def test_a_model_whose_name_is_no_text(two: Path, tmp_path: Path) -> None:
    theirs = computed(two, BOTH)
    with Runner(two.rename(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.onnx"))) as runner:
        assert same(runner.run(BOTH), theirs)


@needs_ort
def test_integers_stay_integers_and_fractions_are_refused_for_them(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = embedding(tmp_path / "ids.onnx")
    ids = np.array([[1, 2, 3, 9, 0, 4, 4]])
    with Runner(model) as runner:
        theirs = computed(model, {"ids": ids})
        for given_ids in (ids, ids.astype(np.int32), ids.astype(np.float64), ids.astype(np.uint8)):
            assert same(runner.run(ids=given_ids), theirs) and same(runner.run(given_ids[0]), theirs)
        with pytest.raises(ValueError, match="input ids has values that int64, which the model takes, has not"):
            runner.run(ids=ids + 0.5)
        with pytest.raises(InferenceError, match="onnxruntime failed"):
            runner.run(ids=ids + 10)


@needs_ort
def test_a_side_of_any_length(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = embedding(tmp_path / "ids.onnx", length="n")
    with Runner(model) as runner:
        assert runner.inputs[0].shape == (1, 0)
        for length in (1, 3, 12):
            ids = np.arange(length)[None] % 10
            assert same(runner.run(ids), computed(model, {"ids": ids}))
        with pytest.raises(ValueError, match=r"input ids is \(2, 3\), the model takes \(1, any\)"):
            runner.run(np.zeros((2, 3)))


@needs_ort
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, r"input image is not given: the model has 2 inputs \(image, a/b\)"),
        ({"image": IMAGE}, "input a/b is not given"),
        ({"image": None, "a/b": VECTOR}, "input image is not given"),
        ({**BOTH, "ab": VECTOR}, "there is no input ab: the model has 2 inputs"),
        ((IMAGE,), "2 inputs .*, got 1 arrays without names"),
        (IMAGE, "2 inputs .*, got 1 arrays without names"),
        (
            {"image": IMAGE.transpose(0, 2, 3, 1), "a/b": VECTOR},
            r"input image is \(1, 4, 6, 3\), the model takes \(1, 3, 4, 6\); it looks like NHWC: transpose",
        ),
        ({"image": IMAGE[:, :, :3], "a/b": VECTOR}, r"input image is \(1, 3, 3, 6\)"),
        ({"image": np.repeat(IMAGE, 2, 0), "a/b": VECTOR}, r"input image is \(2, 3, 4, 6\)"),
        ({"image": IMAGE, "a/b": VECTOR[:, :, None]}, r"input a/b is \(1, 5, 1\), the model takes \(1, 5\)"),
        ({"image": "picture.png", "a/b": VECTOR}, "input image is of <U11, the model takes float32"),
        ({"image": IMAGE * 1j, "a/b": VECTOR}, "input image is of complex64"),
        ({"image": IMAGE, "a/b": [[1, 2], [3]]}, "input a/b is no array of numbers"),
        ({"image": IMAGE, "a/b": [object()] * 5}, "input a/b is of object"),
        ({"image": IMAGE, "a/b": np.full((1, 5), 1e39)}, "input a/b has values beyond float32"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(two: Path, arrays: Any, said: str) -> None:
    with Runner(two) as runner, pytest.raises(ValueError, match=said):
        runner.run(arrays)


@given(
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    dtype=st.sampled_from(["float16", "float32", "float64", "uint8", "int64"]),
    whole=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_is_laid_as_nhwc_holds_the_same_values(shape: tuple[int, int, int], dtype: str, whole: bool) -> None:
    array = np.random.default_rng(0).integers(0, 9, (1, *shape)).astype(dtype)
    own = Tensor("x", array.shape, "float32", "NCHW")
    channels, height, width = shape
    taken = Tensor("x", (1, height, width, channels), "uint8", "NHWC")
    found = laid(array if whole else array[0], own, taken)
    assert found.shape == taken.shape and found.flags.c_contiguous
    assert found.dtype == ("uint8" if dtype == "uint8" else "float32")
    assert np.array_equal(found.transpose(0, 3, 1, 2), array)


@pytest.mark.parametrize(("value", "dtype"), [(np.inf, "int64"), (np.nan, "int32"), (300, "uint8"), (-1, "uint8")])
def test_floats_of_a_chip_that_are_no_integers_are_not_given_as_such(value: float, dtype: str) -> None:
    """As the index 70000 in float16; some other integer stood for it."""
    there = Tensor("top", (1, 2), "float16")
    own = there._replace(dtype=dtype)
    assert as_own({"top": np.array([[2.9995, 250]], "f2")}, [there], [own])["top"].tolist() == [[3, 250]]
    found = as_own({"top": np.array([[1, value]], "f2")}, [there], [own])
    assert np.array_equal(found["top"], [[1, value]], equal_nan=True), "as it is, where it is compared"
    with pytest.raises(InferenceError, match=f"output top has values that are no {dtype}"):
        check_whole(found, [own])


@needs_ort
def test_a_stream_gives_outputs_in_order_takes_few_ahead_and_ends_with_its_threads(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = embedding(tmp_path / "ids.onnx", length="n")
    taken: list[int] = []

    def lengths(stop: int | None) -> Iterator[Any]:
        for length in itertools.islice(itertools.count(1), stop):
            taken.append(length)
            yield {"ids": np.zeros((1, length))}

    with Runner(model) as runner:
        assert [out["y"].shape[1] for out in runner.stream(lengths(40))] == list(range(1, 41))
        assert list(runner.stream([])) == []
        taken.clear()
        stream = runner.stream(lengths(None))
        assert next(stream)["y"].shape[1] == 1 and len(taken) <= 4
        del stream
        mixed = runner.stream([np.zeros((1, 2)), np.zeros((2, 2)), np.zeros((1, 3))])
        assert next(mixed)["y"].shape[1] == 2
        with pytest.raises(ValueError, match=r"\(2, 2\)"):
            next(mixed)
        assert list(mixed) == []
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("yolorknn-run")]
    with pytest.raises(BackendError, match="the model is closed"):
        runner.stream([])
    with pytest.raises(BackendError, match="the model is closed"):
        runner.run(np.zeros((1, 2)))
    runner.close()


def test_what_runs_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no"):
        Runner(tmp_path / "absent.onnx")
    (tmp_path / "m.tflite").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"'\.tflite': .* 'yolorknn build .*m\.tflite --generic'"):
        Runner(tmp_path / "m.tflite")
    (tmp_path / "m.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"is a training checkpoint: .* 'yolorknn export .*m\.pt'"):
        Runner(tmp_path / "m.pt")
    with pytest.raises(ModelError, match="which this machine is not"):
        Runner(write_generic(tmp_path / "m.rknn", {"x": (1, 4)}, {"y": (1, 2)}))


@needs_ort
def test_a_stream_is_of_the_process_that_began_it(two: Path) -> None:
    """One that is forked has not its threads, for which it waited for ever."""
    with Runner(two) as runner:
        stream = runner.stream(itertools.repeat(BOTH))
        next(stream)
        assert "open the model after the fork" in forked(lambda: list(itertools.islice(stream, 10)))
        assert len(list(itertools.islice(stream, 10))) == 10


class _Slow:
    """A session whose run ends when it is hurried for the second time, as one that began after the first does."""

    inputs = outputs = (Tensor("x", (1, 2), "float32"),)

    def __init__(self) -> None:
        self.hurried, self.began, self.ends = 0, threading.Event(), threading.Event()

    def run(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.began.set()
        self.ends.wait(5)
        return arrays

    def hurry(self) -> None:
        self.hurried += 1
        if self.hurried > 1:
            self.ends.set()

    def close(self) -> None:
        pass


def test_a_stream_that_ends_hurries_also_what_begins_just_then(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _Slow()
    monkeypatch.setattr(runner_module, "open_sessions", lambda *_, **__: (Interface(slow.inputs, slow.outputs), [slow]))

    def inputs() -> Iterator[Any]:
        yield np.zeros((1, 2), np.float32)
        assert slow.began.wait(20)
        raise ValueError("no more")

    with Runner("m.rknn") as runner:
        with pytest.raises(ValueError, match="no more"):
            list(runner.stream(inputs()))
        assert slow.ends.is_set()
