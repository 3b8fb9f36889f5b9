"""Which images are calibrated with and which are measured on: never the same, nor copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.holdout import hold_out
from yolorknn.errors import DatasetError

pytest.importorskip("yaml", reason="needs yolorknn[val]")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("train", "val"):
        (tmp_path / name).mkdir()
        for number in range(6):
            (tmp_path / name / f"{number}.jpg").write_text(f"{name} {number}")
    return tmp_path / "data.yaml"


def split(file: Path, text: str, given: CalibrationSet | None = None) -> list[list[str]]:
    file.write_text(text + "names: [a]\n")
    return [[f"{image.parent.name}/{image.stem}" for image in part] for part in hold_out(file, given)]


def test_hold_out(data: Path) -> None:
    train, val = ([f"{name}/{number}" for number in range(6)] for name in ("train", "val"))
    assert split(data, "train: train\nval: val\n") == [train, val]
    assert split(data, "train: val\nval: val\n") == split(data, "val: val\n") == [val[::2], val[1::2]]
    assert split(data, "train: [train, val]\nval: val\n") == [val[::2], val[1::2]], "they share images"
    listing = data.with_name("own.txt")
    listing.write_text("val/../val/0.jpg\nval/3.jpg\n")
    assert split(data, "val: val\n", CalibrationSet.open(listing))[1] == ["val/1", "val/2", "val/4", "val/5"]
    (data.parent / "train/5.jpg").write_text("val 0")
    assert split(data, "train: train\nval: val\n") == [train[:5], val], "one is a copy of what is measured on"
    listing.write_text("train/5.jpg\nval/3.jpg\n")
    assert split(data, "val: val\n", CalibrationSet.open(listing))[1] == ["val/1", "val/2", "val/4", "val/5"]
    with pytest.raises(DatasetError, match=r"nothing of .*data\.yaml is left to measure on: all 6 images"):
        split(data, "val: val\n", CalibrationSet.open(data.with_name("val")))
