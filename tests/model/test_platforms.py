"""Chips: their names and cores, and the device tree that says which one this is."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolorknn.errors import ModelError
from yolorknn.model.platforms import FIRST_GENERATION, PLATFORMS, chips, get_platform, runs_on, this_platform


@pytest.mark.parametrize(
    ("compatible", "name"),
    [
        (b"radxa,rock-5b\0rockchip,rk3588\0", "rk3588"),
        (b"xunlong,orangepi-5\0rockchip,rk3588s\0", "rk3588"),
        (b"rockchip,rk3566-evb\0rockchip,rk3566\0", "rk3566"),
        (b"raspberrypi,5-model-b\0brcm,bcm2712\0", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_platform_of_a_device_tree(tmp_path: Path, compatible: bytes, name: str | None) -> None:
    (tmp_path / "compatible").write_bytes(compatible)
    assert getattr(this_platform(tmp_path / "compatible"), "name", None) == name
    assert this_platform(tmp_path / "absent") is None


def test_platform_names() -> None:
    assert get_platform("RK3588S") is PLATFORMS["rk3588"]
    with pytest.raises(ModelError, match=r"unknown platform 'rk3599': choose one of rk3588"):
        get_platform("rk3599")
    assert runs_on("rk3568", PLATFORMS["rk3566"]) and not runs_on("rk3568", PLATFORMS["rk3562"])


@pytest.mark.parametrize("chip", FIRST_GENERATION)
def test_first_generation_chips_are_pointed_to_the_old_toolkit(chip: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"{chip} has an NPU of the first generation.*rknn-toolkit 1\.7"):
        get_platform(chip.upper())
    tree = tmp_path / "compatible"
    tree.write_bytes(f"maker,board\0rockchip,{chip}\0".encode())
    assert this_platform(tree) is None and chips(tree) == ["board", chip]


def test_cores_and_core_masks() -> None:
    assert {name: platform.cores for name, platform in PLATFORMS.items() if platform.core_mask} == {
        "rk3588": 3,
        "rk3576": 2,
    }
    assert {platform.cores for platform in PLATFORMS.values() if not platform.core_mask} == {1}


def test_a_hidden_device_tree_names_no_chip(tmp_path: Path) -> None:
    assert chips(tmp_path / "compatible") == []
