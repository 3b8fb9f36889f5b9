"""`yolorknn run`: any model on files, by name."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import needs_ort
from tests.fakes.commands import misused, refused, run
from tests.fakes.rknn_files import write_generic
from tests.fakes.tiny_onnx import embedding, of_nodes, two_inputs

pytestmark = needs_ort


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    two_inputs(tmp_path / "two.onnx")
    embedding(tmp_path / "ids.onnx")
    np.save("v.npy", np.arange(5.0))
    np.save("ids.npy", np.arange(7))
    cv2.imwrite("cat.png", np.full((8, 9, 3), (1, 2, 3), np.uint8))
    Path("names.txt").write_text("a\nb\nc\nd\ne\nf\n")
    return tmp_path


def test_outputs_are_shown_saved_and_named(place: Path) -> None:
    import onnxruntime

    words = ["run", "two.onnx", "--input", "image=cat.png", "--input", "a/b=v.npy"]
    image = np.broadcast_to(np.array([3, 2, 1], np.float32)[:, None, None], (3, 4, 6))[None]
    session = onnxruntime.InferenceSession("two.onnx", providers=["CPUExecutionProvider"])
    y, top = session.run(None, {"image": image, "a/b": np.arange(5, dtype=np.float32)[None]})
    done = run(*words, "--save", "out.npz", "--names", "names.txt", "--json")
    found = json.loads(done.stdout)
    assert found["where"] == "onnxruntime" and list(found["outputs"]) == ["y", "top"]
    assert found["outputs"]["y"]["shape"] == [1, 6] and found["outputs"]["y"]["not_finite"] == 0
    order = np.argsort(-y[0])[:5]
    assert [row["index"] for row in found["outputs"]["y"]["top"]] == order.tolist()
    assert [row["name"] for row in found["outputs"]["y"]["top"]] == ["abcdef"[place] for place in order]
    with np.load("out.npz") as saved:
        assert np.allclose(saved["y"], y) and np.array_equal(saved["top"], top)
    assert done.stderr == "wrote out.npz\n"
    shown = run(*words, "--top", 2).stdout
    assert "y  1x6 float32" in shown and f"{order[0]}" in shown and shown.startswith("two.onnx on onnxruntime, ")
    scaled = run(*words, "--mean", "3,2,1", "--json").stdout
    expected = session.run(None, {"image": image * 0, "a/b": np.arange(5, dtype=np.float32)[None]})[0]
    assert json.loads(scaled)["outputs"]["y"]["max"] == pytest.approx(float(expected.max()), rel=1e-5)


def test_infinite_values_are_told(place: Path) -> None:
    np.save("v.npy", np.full(5, 3e38))
    done = run("run", "two.onnx", "--input", "image=cat.png", "--input", "a/b=v.npy")
    assert "of 6 values are infinite or no numbers" in done.stdout
    of_nodes(place / "all.onnx", [("Mul", ["x", "x"], "y", {})], {"x": (1, 2)}, {"y": (1, 2)}, {})
    np.save("x.npy", [3e38, np.nan])
    assert "2 of 2 values are infinite or no numbers" in run("run", "all.onnx", "--input", "x.npy", "--top", 1).stdout

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(run("run", "all.onnx", "--input", "x.npy", "--json", "--top", 2).stdout, parse_constant=refuse)
    assert found["outputs"]["y"]["min"] is None and [row["index"] for row in found["outputs"]["y"]["top"]] == [0, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--input", "image=cat.png", "--device", "--simulate"], "on the simulator or on a board"),
        (["--input", "image=cat.png", "--save", "out.txt"], "is no .npz"),
        (["--input", "image=cat.png", "--std", "0,1,1"], "no number of it may be 0"),
    ],
)
def test_what_does_not_fit_is_a_usage_error(place: Path, words: list[str], said: str) -> None:
    assert said in misused("run", "two.onnx", *words)


def test_what_cannot_be_run_is_refused(place: Path) -> None:
    assert "input image is not given" in refused("run", "two.onnx")
    assert "does not say for which of the inputs it is" in refused("run", "two.onnx", "--input", "v.npy")
    wrong = refused("run", "two.onnx", "--input", "image=v.npy", "--input", "a/b=v.npy")
    assert "input image is (5,), the model takes (1, 3, 4, 6)" in wrong
    rknn = write_generic(place / "m.rknn", {"x": (1, 5)}, {"y": (1, 2)})
    assert "which this machine is not" in refused("run", rknn, "--input", "v.npy")
    assert "there is no model file" in refused("run", "absent.onnx")
    Path("names.txt").write_text("a\nb\n")
    assert "there are 2 names, and of the outputs of ids.onnx y has 28 values" in refused(
        "run", "ids.onnx", "--input", "ids.npy", "--names", "names.txt"
    )
    Path("two.onnx").rename("all.npz")
    assert "is read, so nothing is written to it" in refused("run", "all.npz", "--save", "all.npz")
