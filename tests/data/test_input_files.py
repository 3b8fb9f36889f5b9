"""Files as inputs: arrays as they are, pictures as a chip is given them; what is neither is refused by name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolorknn.data.input_files import read_inputs
from yolorknn.errors import SourceError
from yolorknn.model.metadata import Tensor

PICTURE = Tensor("image", (1, 3, 4, 6), "float32", "NCHW")
VECTOR = Tensor("a/b", (1, 5), "float32")
EQUALS = Tensor("a=b", (1, 5), "float32")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    cv2.imwrite("same.png", pixels)
    cv2.imwrite("large.png", np.full((40, 90, 3), (10, 20, 30), np.uint8))
    np.save("v.npy", np.arange(5))
    np.savez("both.npz", **{"image": np.zeros((3, 4, 6)), "a/b": np.ones(5)})
    return tmp_path


def test_pictures_are_rgb_of_the_inputs_size_and_layout(folder: Path) -> None:
    found = read_inputs(["same.png"], [PICTURE])["image"]
    expected = np.asarray(cv2.imread("same.png"))[..., ::-1].transpose(2, 0, 1)[None]
    assert found.dtype == np.uint8 and np.array_equal(found, expected)
    large = read_inputs(["image=large.png"], [PICTURE])["image"]
    assert large.shape == PICTURE.shape and (large == np.array([30, 20, 10])[:, None, None]).all()
    assert read_inputs(["large.png"], [PICTURE._replace(shape=(1, 3, 0, 0))])["image"].shape == (1, 3, 40, 90)
    last = read_inputs(["large.png"], [PICTURE._replace(shape=(1, 4, 6, 3))])["image"]
    assert last.shape == (1, 4, 6, 3) and (last == [30, 20, 10]).all()
    grey = read_inputs(["large.png"], [PICTURE._replace(shape=(1, 1, 4, 6))])["image"]
    assert grey.shape == (1, 1, 4, 6) and len(np.unique(grey)) == 1
    scaled = read_inputs(["large.png"], [PICTURE], scaling=([30.0, 0.0, 0.0], [1.0, 20.0, 5.0]))["image"]
    assert scaled.dtype == np.float32 and np.allclose(scaled[0, :, 0, 0], [0, 1, 2])


def test_arrays_go_in_by_name_and_a_name_may_have_an_equals_sign(folder: Path) -> None:
    both = read_inputs(["both.npz"], [PICTURE, VECTOR])
    assert both.keys() == {"image", "a/b"} and both["image"].shape == (3, 4, 6)
    assert read_inputs(["a=b=v.npy"], [Tensor("a", (1,), "float32"), EQUALS]).keys() == {"a=b"}
    assert np.array_equal(read_inputs(["v.npy"], [VECTOR])["a/b"], np.arange(5))
    assert np.array_equal(read_inputs(["a/b=both.npz"], [VECTOR])["a/b"], np.ones(5))
    np.save("a=c.npy", np.arange(5))
    assert np.array_equal(read_inputs(["a=c.npy"], [VECTOR])["a/b"], np.arange(5)), "a file called so"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x=v.npy", "there is no input x: the model has image, a/b"),
        ("v.npy", "does not say for which of the inputs it is"),
    ],
)
def test_what_names_no_input_is_refused(folder: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_inputs([text], [PICTURE, VECTOR])
    with pytest.raises(ValueError, match="input image is given twice"):
        read_inputs(["both.npz", "image=same.png"], [PICTURE, VECTOR])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a/b=same.png", r"same\.png is a picture, and input a/b of 1x5 takes none: give a \.npy"),
        ("a/b=absent.npy", r"cannot read the array absent\.npy: No such file"),
        ("a/b=absent.npz", r"cannot read the arrays in absent\.npz: No such file"),
        ("a/b=.", "has suffix ''"),
        ("image=clip.mp4", r"has suffix '\.mp4'"),
        ("a/b=junk.npy", r"junk\.npy is not a readable \.npy of numbers"),
        ("a/b=junk.npz", r"junk\.npz is not a readable \.npz of numbers"),
        ("a/b=objects.npy", r"objects\.npy is not a readable \.npy of numbers"),
        ("a/b=cut.npy", r"cut\.npy is not a readable \.npy of numbers"),
        ("a/b=bomb.npz", "which is more than inputs are"),
        ("a/b=others.npz", r"has no array 'a/b': it has c, d"),
        ("image=junk.png", "is not a readable image"),
    ],
)
def test_hostile_and_broken_files_are_refused(folder: Path, text: str, said: str) -> None:
    for name in ("junk.npy", "junk.npz", "junk.png"):
        Path(name).write_bytes(b"\x93NUMPY junk")
    np.save("objects.npy", np.array([{}], object), allow_pickle=True)
    Path("cut.npy").write_bytes(Path("v.npy").read_bytes()[:-3])
    np.savez("others.npz", c=np.ones(1), d=np.ones(2))
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"x")
        archive.infolist()[0].file_size = 8 << 30
        archive.filelist[0].file_size = 8 << 30
    with pytest.raises(SourceError, match=said):
        read_inputs([text], [PICTURE, VECTOR])
