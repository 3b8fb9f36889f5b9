"""Model files: what they say of themselves, and what is done about files that lie."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.encode import decoded_metadata, split_metadata
from tests.fakes.rknn_files import write_rknn
from yolorknn.errors import MetadataError, ModelError, OutputError
from yolorknn.files import atomic, check_folder, write_bytes
from yolorknn.model import rknn_file
from yolorknn.model.evidence import Evidence
from yolorknn.model.metadata import Build, ModelMetadata, Tensor
from yolorknn.model.packing import MAX_CUSTOM_STRING, pack, unpack
from yolorknn.tasks.known import check_outputs_of, metadata_of, output_shapes, recognise, task_of

BUILD = Build("rk3588", "i8", "2.3.2", dataset="dataset/données été", images=40, digest="ab" * 32)
COCO_NAMES = tuple(f"class name {i}" for i in range(80))


def full(names: tuple[str, ...] = ("a", "b")) -> ModelMetadata:
    return ModelMetadata(
        **{
            **split_metadata((320, 640), len(names)).__dict__,
            "names": names,
            "source": "v8n.onnx",
            "sha256": "0123456789abcdef" * 4,
            "build": BUILD,
        }
    )


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=30))
@settings(max_examples=200)
def test_metadata_survives_both_ways_of_writing(names: list[str]) -> None:
    metadata = full(tuple(names))
    assert ModelMetadata.from_json(metadata.to_json()) == metadata
    packed = pack(metadata)
    if packed is not None:
        assert len(packed) <= MAX_CUSTOM_STRING and packed.isascii()
        assert unpack(packed) == metadata


def test_coco_fits_into_a_custom_string() -> None:
    assert pack(full(COCO_NAMES)) is not None


def test_what_does_not_fit_is_none() -> None:
    rng = np.random.default_rng(0)
    assert pack(full(tuple(rng.bytes(8).hex() for _ in range(500)))) is None


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps))
def test_junk_is_a_metadata_error(text: str) -> None:
    with pytest.raises(MetadataError):
        ModelMetadata.from_json(text)
    with pytest.raises(MetadataError):
        unpack(text)


@pytest.mark.parametrize(
    "change",
    [
        {"names": []},
        {"task": "depth"},
        {"imgsz": [640]},
        {"std": [0, 0, 0]},
        {"mean": [0, 0]},
        {"outputs": [["x"]]},
        {"colour": "YUV"},
        {"build": "yes"},
    ],
)
def test_senseless_values_are_a_metadata_error(change: dict[str, object]) -> None:
    with pytest.raises(MetadataError):
        task_of(ModelMetadata.from_json(json.dumps({**json.loads(full().to_json()), **change})))


def test_a_newer_version_may_say_more() -> None:
    text = json.dumps({**json.loads(full().to_json()), "invented_later": 1})
    assert ModelMetadata.from_json(text) == full()


def test_rknn_says_what_was_written(tmp_path: Path) -> None:
    metadata = full()
    file = rknn_file.read(write_rknn(tmp_path / "m.rknn", metadata))
    assert metadata_of(file) == metadata
    assert file.platforms == ("rk3588",) and file.toolkit == "2.3.2"
    assert file.inputs == [Tensor("images", (1, 3, 320, 640), "int8")]
    assert {tensor.name: tensor.shape for tensor in file.outputs} == output_shapes(metadata)


def test_a_foreign_rknn_is_recognised(tmp_path: Path) -> None:
    path = write_rknn(tmp_path / "zoo.rknn", split_metadata((640, 640), 80, sums=True), custom=None)
    metadata = metadata_of(rknn_file.read(path))
    assert [out.role for out in metadata.outputs] == ["box", "cls", "sum"] * 3
    assert metadata.names[79] == "class79"
    assert metadata_of(rknn_file.read(path), names=list(COCO_NAMES)).names == COCO_NAMES
    with pytest.raises(MetadataError, match="80 classes, but 2 names"):
        metadata_of(rknn_file.read(path), names=["a", "b"])


def test_metadata_that_contradicts_the_file(tmp_path: Path) -> None:
    lying = {
        "platform": full(),
        "outputs": split_metadata((320, 640), 3),
        "mean": ModelMetadata(**{**full().__dict__, "mean": (1.0, 2.0, 3.0)}),
    }
    for what, metadata in lying.items():
        honest = split_metadata((320, 640), 2) if what != "mean" else full()
        path = tmp_path / f"{what}.rknn"
        write_rknn(path, honest, platform="rk3576" if what == "platform" else "rk3588", custom=pack(metadata))
        with pytest.raises(MetadataError, match=r"contradicts|says otherwise"):
            metadata_of(rknn_file.read(path))


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    whole = write_rknn(tmp_path / "m.rknn", full()).read_bytes()
    path = tmp_path / "cut.rknn"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"empty|not a \.rknn|truncated"):
            rknn_file.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ModelError, match="truncated"):
        rknn_file.read(path)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damage_never_surprises(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.rknn"
    content = bytearray(write_rknn(path, full()).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ModelError):
        metadata_of(rknn_file.read(path))


IMAGES = [Tensor("images", (1, 3, 640, 640), "float")]


def split_tensors(*channels: int, grids: tuple[int, ...] = (80, 40, 20)) -> list[Tensor]:
    return [Tensor(f"{grid}-{c}", (1, c, grid, grid), "float") for grid in grids for c in channels]


def test_recognised_layouts() -> None:
    six = recognise(IMAGES, split_tensors(64, 80), Evidence(), where="x")
    assert six.head == "split" and six.reg_max == 16 and len(six.names) == 80
    assert output_shapes(six) == {tensor.name: tensor.shape for tensor in split_tensors(64, 80)}
    nine = recognise(IMAGES, split_tensors(64, 3, 1), Evidence(), where="x")
    assert [out.stride for out in nine.outputs] == [8] * 3 + [16] * 3 + [32] * 3
    p2 = recognise(IMAGES, split_tensors(4, 2, grids=(160, 80, 40, 20)), Evidence(), where="x")
    assert p2.reg_max == 1 and p2.outputs[0].stride == 4
    one = recognise(IMAGES, [Tensor("output0", (1, 84, 8400), "float")], Evidence(), names=COCO_NAMES, where="x")
    assert one.head == "decoded" and not one.normalized and len(one.names) == 80


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [Tensor("y", (1, 1000), "float")],
        [Tensor("y", (1, 4, 8400), "float")],
        [Tensor("y", (2, 84, 8400), "float")],
        split_tensors(63, 80),
        split_tensors(64),
        split_tensors(64, 80, 2),
        [*split_tensors(64, 80, grids=(80,)), *split_tensors(64, 79, grids=(40,))],
        [Tensor("a", (1, 64, 80, 40), "float"), Tensor("b", (1, 80, 80, 40), "float")],
    ],
)
def test_other_layouts_are_refused(outputs: list[Tensor]) -> None:
    with pytest.raises(MetadataError, match="not a model that yolorknn knows"):
        recognise(IMAGES, outputs, Evidence(), where="x.onnx")


def test_names_of_ultralytics() -> None:
    def named(**properties: str) -> list[str] | None:
        return Evidence(properties=properties).class_names()

    assert named(names="{0: 'person', 1: 'traffic light'}") == ["person", "traffic light"]
    for junk in ("", "{1: 'a'}", "import os", "{"):
        assert named(names=junk) is None
    assert named() is None


def test_decoded_metadata_checks_its_tensor() -> None:
    metadata = decoded_metadata((640, 640), 80, normalized=True)
    check_outputs_of(metadata, [Tensor("output0", (1, 84, 8400), "float")], where="x")
    with pytest.raises(MetadataError, match="contradicts"):
        check_outputs_of(metadata, [Tensor("output0", (1, 85, 8400), "float")], where="x")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "result.bin"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic(target) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write /dev/full/x"):
        write_bytes(Path("/dev/full/x"), b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        check_folder(tmp_path / "file" / "folder")
    with pytest.raises(OutputError, match="No space left"), atomic(tmp_path / "x") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 10000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
