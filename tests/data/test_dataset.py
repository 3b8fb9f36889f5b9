"""A data.yaml and its labels: what is read, and what is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from tests.conftest import DATASET, DEMO_ONNX
from yolorknn.data.dataset import Dataset, read_folder
from yolorknn.data.labels import labels
from yolorknn.errors import DatasetError
from yolorknn.image import read_image

pytest.importorskip("yaml", reason="needs yolorknn[val]")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four images of the demo's dataset, to be spoilt."""
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        (tmp_path / folder).mkdir()
        for file in sorted((DATASET / folder).glob(f"*.{suffix}"))[:4]:
            shutil.copy(file, tmp_path / folder)
    shutil.copy(DATASET / "data.yaml", tmp_path)
    return tmp_path / "data.yaml"


def read(data: Path) -> None:
    listed = Dataset.open(data)
    listed.labelled()


def spoil(data: Path, label: str) -> None:
    (data.parent / "labels" / "0003.txt").write_text(label)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("7 0.5 0.5 0.1 0.1", r"0003.txt, line 1: class 7 is not one of the 6 classes, 0 to 5"),
        ("0 0.5 0.5 0.1 0.1\n1 320 200 64 64", r"0003.txt, line 2: coordinates are shares"),
        ("0 0.5 0.5 0.1", r"0003.txt, line 1 has 4 numbers: a label is 'class x y width height'$"),
        ("0 0.5 0.5 0.1 0.1" + " 0.5 0.5 2" * 17, r"56 numbers: .*, or of a pose with kpt_shape: \[17, 3\]"),
        ("0 0.5 0.5 0.1 0.1 0.3", r"6 numbers: .* height', or of a polygon 'class x1 y1 x2 y2 x3 y3' and so on$"),
        ("0 0.5 nan 0.1 0.1", r"coordinates are shares"),
        ("ball 0.5 0.5 0.1 0.1", r"0003.txt, line 1: 'ball 0.5 0.5 0.1 0.1' is not numbers"),
        ("nan 0.5 0.5 0.1 0.1", r"class nan is not one"),
        ("0 0.5 0.5 -0.005 0.1", r"no negative width"),
    ],
)
def test_bad_labels(data: Path, label: str, message: str) -> None:
    spoil(data, label)
    with pytest.raises(DatasetError, match=message):
        read(data)


def test_labels_may_be_polygons_and_come_once(data: Path) -> None:
    spoil(data, "2 0.1 0.2 0.5 0.3 0.4 0.9\n\n2 0.1 0.2 0.5 0.3 0.4 0.9\n")
    read = labels(data.parent / "images" / "0003.jpg", classes=6)
    assert read is not None
    rows = read.boxes
    assert rows is not None and rows.tolist() == [[2, 0.1, 0.2, 0.5, 0.9]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val: images\nnc: 5\nnames: [a, b]", r"says nc: 5, but names 2 classes"),
        ("val: images\nnames: {0: a, 2: b}", r"class ids under 'names' are not 0 to 1"),
        ("val: images", r"has no class names"),
        ("names: [a]", r"names no 'val' images"),
        ("val: pictures\nnames: [a]", r"names pictures, but there is no"),
        ("val: labels\nnames: [a]", r"names .*labels, where there are no images"),
        ("just text", r"is not a data.yaml"),
        ("a: [", r"cannot read"),
    ],
)
def test_bad_data_yaml(data: Path, text: str, message: str) -> None:
    data.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read(data)


def test_no_data_yaml_at_all() -> None:
    with pytest.raises(DatasetError, match=r"demo\.onnx is not a data\.yaml: give the one with"):
        read(DEMO_ONNX)


@pytest.mark.parametrize("boxes", [1, 100_000])
def test_annotations_of_coco_are_called_so(data: Path, boxes: int) -> None:
    file = data.with_name("instances_val.json")
    file.write_text(f"""{{"images": [{{"id": 1}}{", 1234567890" * boxes}], "annotations": [], "categories": []}}""")
    with pytest.raises(
        DatasetError, match=r"instances_val\.json holds annotations as COCO .*convert_coco\(\).*data\.yaml"
    ):
        Dataset.open(file)
    file.write_text("""{"val": "images", "names": ["a"]}""")
    assert Dataset.open(file).names == ("a",), "a data.yaml may be written as JSON"


def test_no_labels_at_all(data: Path) -> None:
    shutil.rmtree(data.parent / "labels")
    with pytest.raises(DatasetError, match=r"none of the 4 images has labels: expected for example .*labels/0000.txt"):
        read(data)


@pytest.mark.parametrize(
    "text",
    [
        "train: ../train/images\nval: ../valid/images\nnc: 6\n",
        "val: ../valid/images\ntest: ../test/images\nnc: '6'\n",
        "val: ../valid/images\nnc: 6.0\n",
        "train: ../train/images\nvalidation: valid/images\n",
        "path: .\nval: [../valid/images]\n",
        "val: valid\\images\n",
        "val: ..\\valid\\images\n",
        "path: .\\\nval: valid\\images\n",
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_data_yaml_as_roboflow_or_windows_writes_it(data: Path, text: str, codec: str, end: str) -> None:
    for folder in ("images", "labels"):
        (data.parent / "valid").mkdir(exist_ok=True)
        (data.parent / folder).rename(data.parent / "valid" / folder)
    data.write_bytes((text + "names: [a, b, c, d, e, 'Düse']\n").replace("\n", end).encode(codec))
    listed = Dataset.open(data)
    assert listed.names[5] == "Düse" and len(listed.labelled().images) == 4


def test_a_folder_above_comes_first(data: Path) -> None:
    """As `../valid/images` says it, where there is one."""
    (data.parent / "inner").mkdir()
    inner = data.rename(data.parent / "inner/data.yaml")
    (inner.parent / "images").mkdir()
    inner.write_text("val: ../images\nnames: [a, b, c, d, e, f]\n")
    assert {image.resolve().parent for image in Dataset.open(inner).images} == {data.parent / "images"}


def test_names_may_be_a_number_of_classes(data: Path) -> None:
    for count in ("6", "6.0", "'6'"):
        data.write_text(f"val: images\nnc: {count}\n")
        assert Dataset.open(data).names == tuple(f"class_{i}" for i in range(6))


def test_names_by_numbers_that_are_texts(data: Path) -> None:
    """As a data.yaml has them that a program wrote from JSON."""
    data.write_text('{"val": "images", "names": {"1": "b", "0": "a", "2": "c"}}')
    assert Dataset.open(data).names == ("a", "b", "c")


def test_lists_and_labels_as_windows_writes_them(data: Path) -> None:
    image = (data.parent / "images/0000.jpg").rename(data.parent / "images/größe.jpg")
    label = (data.parent / "labels/0000.txt").rename(data.parent / "labels/größe.txt")
    label.write_bytes(b"\xef\xbb\xbf" + label.read_bytes().replace(b"\n", b"\r\n"))
    for codec in ("utf-8-sig", "cp1252", "utf-16"):
        (data.parent / "list.txt").write_bytes("images\\größe.jpg\r\n.\\images\\0001.jpg\r\n".encode(codec))
        data.write_text("val: list.txt\nnames: [a, b, c, d, e, f]\n")
        listed = Dataset.open(data)
        assert listed.images[0] == image and listed.images[1].name == "0001.jpg"
        rows = listed.labelled().labels[0]
        assert rows is not None and len(rows.boxes) == len(label.read_text().split("\n")) - 1


@pytest.mark.parametrize("seen", ["nan", "inf", "-1"])
def test_visibilities_that_are_none(data: Path, seen: str) -> None:
    spoil(data, f"0 0.5 0.5 0.1 0.1 0.5 0.5 2 0.5 0.5 {seen}")
    with pytest.raises(DatasetError, match=r"0003.txt, line 1: the visibility of a keypoint, .* is 0, 1 or 2$"):
        labels(data.parent / "images" / "0003.jpg", classes=6, keypoints=(2, 3))


def test_true_is_no_number_of_keypoints(data: Path) -> None:
    data.write_text(data.read_text() + "kpt_shape: [true, 3]\n")
    with pytest.raises(DatasetError, match="kpt_shape is how many keypoints there are"):
        Dataset.open(data)


@pytest.mark.parametrize(("shape", "sigmas"), [("[17, 3]", ()), ("[17, 2]", (1 / 17,) * 17), ("[5, 2]", ())])
def test_points_without_visibility_are_no_persons(data: Path, shape: str, sigmas: tuple[float, ...]) -> None:
    """As ultralytics' val takes them: a person's sigmas are for kpt_shape [17, 3] alone."""
    data.write_text(data.read_text() + f"kpt_shape: {shape}\n")
    assert Dataset.open(data).sigmas == sigmas


def test_images_are_found_through_links_and_none_that_are_hidden(data: Path, tmp_path: Path) -> None:
    """As ultralytics finds them; a copy of Jupyter's has no labels, and would count as an image of nothing."""
    images = data.parent / "images"
    (images / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/0001-checkpoint.jpg", "._0001.jpg"):
        (images / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/linked.jpg").touch()
    (images / "more").symlink_to(tmp_path / "elsewhere")
    before = sorted(path.name for path in images.glob("[!.]*.jpg"))
    for link, target in (
        (images / "round", images.parent),
        (tmp_path / "elsewhere/again", images),
        (images / "z", "more"),
    ):
        link.symlink_to(target)
    found = [path.relative_to(images) for path in read_folder(images)]
    assert [str(path) for path in found] == sorted([*before, "more/linked.jpg"])


def test_pictures_are_what_ultralytics_takes_and_opencv_reads(data: Path) -> None:
    """An .mpo is a JPEG with others behind it, of which the first is looked at."""
    images = data.parent / "images"
    before = Dataset.open(data).images
    picture = read_image(before[0])
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    (images / "two.mpo").write_bytes(jpeg + jpeg)
    (images / "wavelets.jp2").write_bytes(cv2.imencode(".jp2", picture)[1].tobytes())
    more = [path for path in Dataset.open(data).images if path not in before]
    assert [path.name for path in more] == ["two.mpo", "wavelets.jp2"]
    assert all(read_image(path).shape == picture.shape for path in more)
