"""Calibration sets of models of any kind: pictures, .npy and .npz, a file an input or all inputs in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import needs_ort, needs_toolkit
from tests.fakes.tiny_onnx import IMAGE, VECTOR, computed, two_inputs
from yolorknn import Place, Runner
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import loaded_inputs
from yolorknn.convert.recipe.listing import listing, rows_of
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.data.choose import choose
from yolorknn.data.input_files import read_row
from yolorknn.errors import CalibrationError, SourceError
from yolorknn.model.metadata import Tensor

INPUTS = [Tensor("image", (1, 3, 4, 6), "float32", "NCHW"), Tensor("a/b", (1, 5), "float32")]
ROWS = ["cat.png v.npy", "both.npz", "cat.png named.npz", "x.npy one.npz"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with each kind of file, and a list."""
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 6)) * 50 + 100
    cv2.imwrite(str(tmp_path / "cat.png"), np.arange(9 * 8 * 3, dtype=np.uint8).reshape(9, 8, 3))
    np.save(tmp_path / "v.npy", VECTOR)
    np.save(tmp_path / "x.npy", image.astype(np.float32))
    np.savez(tmp_path / "both.npz", **{"a/b": VECTOR * 2, "image": image, "other": np.zeros(1)})
    np.savez(tmp_path / "named.npz", **{"image": image, "a/b": VECTOR * 3})
    np.savez(tmp_path / "one.npz", VECTOR * 4)
    (tmp_path / "list.txt").write_text("\n".join(ROWS) + "\n\n")
    return tmp_path


def listed(place: Path, text: str) -> str:
    """Return what is said of a list."""
    (place / "bad.txt").write_text(text)
    (place / "s").mkdir(exist_ok=True)
    with pytest.raises((CalibrationError, SourceError)) as caught:
        listing(place / "bad.txt", place / "s", INPUTS)
    return str(caught.value)


def test_every_kind_of_file_becomes_what_the_toolkit_reads(place: Path) -> None:
    folder = place / "of blanks in its name"
    folder.mkdir()
    made = listing(place / "list.txt", folder, INPUTS)
    lines = [line.split() for line in made.path.read_text().splitlines()]
    assert made.rows == 4 and [len(line) for line in lines] == [2] * 4
    assert [[Path(name).suffix for name in line] for line in lines] == [[".png", ".npy"], [".npy"] * 2] * 2
    vectors = [np.load(folder / line[1]) for line in lines]
    for number, vector in enumerate(vectors, 1):
        assert np.array_equal(vector, VECTOR * number)
    both = np.load(folder / lines[1][0])
    assert both.dtype == np.float32 and np.allclose(both, np.load(place / "both.npz")["image"])
    given = [read_row(row, INPUTS) for row in rows_of(place / "list.txt")]
    assert all(np.array_equal(row["a/b"], vector) for row, vector in zip(given, vectors, strict=True))
    assert given[0]["image"].shape == (1, 3, 4, 6)
    again = place / "again"
    again.mkdir()
    assert listing(place / "list.txt", again, INPUTS).digest == made.digest
    np.savez(place / "one.npz", VECTOR * 5)
    assert listing(place / "list.txt", scratch(place), INPUTS).digest != made.digest


def scratch(place: Path) -> Path:
    made = place / "another"
    made.mkdir()
    return made


def test_a_folder_of_npz(place: Path) -> None:
    folder = place / "folder"
    folder.mkdir()
    (folder / "._x.npz").touch()  # of macOS
    for name in ("a", "b"):
        np.savez(folder / f"{name}.npz", **{"a/b": VECTOR, "image": IMAGE})
    (folder / "notes.txt").write_text("no input")
    made = listing(folder, scratch(place), INPUTS)
    assert made.rows == 2 and all(len(line.split()) == 2 for line in made.path.read_text().splitlines())


def test_an_npz_of_several_arrays_for_inputs_without_names(place: Path) -> None:
    """As of a TorchScript."""
    (place / "rows.txt").write_text("x.npy both.npz\n")
    with pytest.raises(CalibrationError, match=r"both\.npz holds 3 arrays \(a/b, image, other\), .* no known names"):
        listing(place / "rows.txt", place, ())
    (place / "rows.txt").write_text("x.npy one.npz\n")
    assert listing(place / "rows.txt", place, ()).rows == 1


def test_inputs_are_as_they_are_loaded() -> None:
    """In the order of [load], and of its sizes; none where it makes others of them."""
    sizes = [[1, 5], [1, 3, 8, 12]]
    found = loaded_inputs(INPUTS, {"inputs": ["a/b", "image"], "input_size_list": sizes})
    assert [(tensor.name, list(tensor.shape)) for tensor in found] == [*zip(("a/b", "image"), sizes, strict=True)]
    assert loaded_inputs(INPUTS, {}) == tuple(INPUTS)
    other: list[dict[str, Any]] = [{"inputs": ["a/b"]}, {"inputs": ["a/b", "inner"]}, {"inputs": "ab"}]
    for load in (*other, {"inputs": ["a/b", 5]}, {"input_size_list": [5]}, {"input_initial_val": [[], [1]]}):
        assert loaded_inputs(INPUTS, load) == ()


@needs_toolkit
def test_an_npz_holds_all_inputs_of_a_model_whose_sizes_are_given(place: Path) -> None:
    two_inputs(place / "two.onnx")
    (place / "list.txt").write_text("both.npz\n")
    options = BuildOptions(load={"inputs": ["a/b", "image"], "input_size_list": [[1, 5], [1, 3, 4, 6]]})
    request = BuildRequest(place / "two.onnx", dataset=place / "list.txt", options=options, generic=True)
    with planned(request) as plan:
        assert plan.calibration is not None
        files = [plan.calibration.parent / name for name in plan.calibration.read_text().split()]
        assert [np.load(file).shape for file in files] == [(1, 5), (1, 3, 4, 6)]


def test_a_picture_for_an_input_with_the_channels_last_is_an_array(place: Path) -> None:
    """The toolkit reads pictures for NCHW alone, and of others that the channel must be 3."""
    (place / "pictures.txt").write_text("cat.png\n")
    made = listing(place / "pictures.txt", scratch(place), [Tensor("x", (1, 4, 6, 3), "float")])
    array = np.load(made.path.parent / made.path.read_text().strip())
    expected = cv2.resize(cv2.imread(str(place / "cat.png")), (6, 4))[..., ::-1]
    assert array.dtype == np.float32 and np.array_equal(array, expected[None])


def test_a_folder_that_calibrate_made(place: Path) -> None:
    """Beside its list there is a picture of all, by which nothing is to be calibrated."""
    choose(str(place / "cat.png"), count=2, output=place / "chosen")
    assert rows_of(place / "chosen") == [[place / "chosen/images/0000.png"]]


def test_what_is_no_row_is_one_sentence(place: Path) -> None:
    assert listed(place, "x.npy\n") == (
        f"{place / 'bad.txt'} has rows of 1 files, as that of x.npy, and the model takes 2: image, a/b; give a list "
        "(.txt) with so many files a line, or a .npz of arrays by these names"
    )
    assert listed(place, "one.npz\n") == f"{place / 'one.npz'} has no array 'image', and the model takes image, a/b"
    assert listed(place, "cat.png cat.png\n").endswith("is a picture, and input a/b of 1x5 takes none: give a .npy")
    (place / "broken.npz").write_bytes(b"PK broken")
    assert "broken.npz is not a readable .npz of numbers" in listed(place, "broken.npz\n")
    assert "there is no file" in listed(place, "absent.npz v.npy\n")


@pytest.mark.toolkit
@needs_ort
@needs_toolkit
def test_int8_of_two_inputs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "for temporary files").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place / "for temporary files"))
    net = two_inputs(place / "two.onnx")
    given = read_row([place / "both.npz"], INPUTS)
    expected = computed(net, {name: array.astype(np.float32) for name, array in given.items()})["y"]
    with Runner(net, place=Place(simulate=True, dataset=place / "list.txt")) as runner:
        found = runner.run(given)["y"]
    assert float(found.ravel() @ expected.ravel() / np.linalg.norm(found) / np.linalg.norm(expected)) >= 0.999
