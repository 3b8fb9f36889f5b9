"""The table of Rockchip chips: NPU cores, core masks, dtypes, and which one this machine is.

Cores, masks and device-tree names as rknn-toolkit-lite2 2.3.2 and 2.5.0 take them; dtypes as rknn-toolkit2 2.5.0 built
them. For rv110x and rk2118 there is no rknn-toolkit-lite2, only the vendor's C runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yolorknn.errors import ModelError

Dtype = Literal["i8", "fp16"]

DEVICE_TREE = Path("/proc/device-tree/compatible")


@dataclass(frozen=True)
class Platform:
    """One chip, as rknn-toolkit2's `target_platform` names it."""

    name: str
    cores: int
    """NPU cores; one context is opened on each."""
    core_mask: bool = False
    """Whether RKNNLite takes `core_mask`: it is refused on all chips but RK3588 and RK3576."""
    dtypes: tuple[Dtype, ...] = ("i8", "fp16")
    """What rknn-toolkit2 builds for it."""
    python: bool = True
    """Whether rknn-toolkit-lite2 runs on it; the others need the vendor's C runtime."""


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("rk3588", cores=3, core_mask=True),
        Platform("rk3576", cores=2, core_mask=True),
        Platform("rk3566", cores=1),
        Platform("rk3568", cores=1),
        Platform("rk3562", cores=1),
        Platform("rv1126b", cores=1),
        Platform("rv1103", cores=1, dtypes=("i8",), python=False),
        Platform("rv1103b", cores=1, dtypes=("i8",), python=False),
        Platform("rv1106", cores=1, dtypes=("i8",), python=False),
        Platform("rv1106b", cores=1, dtypes=("i8",), python=False),
        Platform("rk2118", cores=1, dtypes=("fp16",), python=False),
    )
}
ALIASES = {"rk3588s": "rk3588", "rk3588s2": "rk3588"}
INTERCHANGEABLE = ({"rk3566", "rk3568"},)
"""Chips that run each other's models, by RKNNLite.list_support_target_platform."""


FIRST_FAMILIES = (("rv1109", "rv1126"), ("rk1808", "rk1806", "rk3399pro"))
"""Chips that run each other's models, among those whose NPU (RKNPU1) takes the .rknn of rknn-toolkit 1.x only."""
FIRST_GENERATION = tuple(chip for family in FIRST_FAMILIES for chip in family)


def get_platform(name: str) -> Platform:
    """Return the platform of that name, in any case; the S variants of a chip are the chip.

    Raises:
        ModelError: no such platform.
    """
    key = name.strip().lower()
    if key in FIRST_GENERATION:
        raise ModelError(first_generation(key))
    try:
        return PLATFORMS[ALIASES.get(key, key)]
    except KeyError:
        raise ModelError(f"unknown platform '{name}': choose one of {', '.join(PLATFORMS)}") from None


def this_platform(device_tree: Path = DEVICE_TREE) -> Platform | None:
    """Return the platform this machine is, read from its device tree, or None where it is not a known Rockchip."""
    for chip in chips(device_tree):
        if platform := PLATFORMS.get(ALIASES.get(chip, chip)):
            return platform
    return None


def chips(device_tree: Path = DEVICE_TREE) -> list[str]:
    """Return the names in the device tree without their makers: the board's first, the chip's last.

    Empty on a PC, and in a container that hides the device tree.
    """
    try:
        entries = device_tree.read_bytes().decode("ascii", "replace").split("\0")
    except OSError:
        return []
    return [entry.rpartition(",")[2] for entry in entries if entry]


def first_generation(chip: str) -> str:
    """Return the sentence that says why such a chip is out of reach."""
    return (
        f"{chip} has an NPU of the first generation, of which yolorknn knows less: 'yolorknn build' and 'export' make "
        "models for it with Rockchip's rknn-toolkit 1.7, see docs/first-generation.md"
    )


def runs_on(model_platform: str, board: Platform) -> bool:
    """Tell whether a .rknn built for `model_platform` runs on `board`."""
    return model_platform == board.name or any({model_platform, board.name} <= group for group in INTERCHANGEABLE)
