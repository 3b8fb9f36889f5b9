"""Text of options to values, and the refusal of options that contradict each other."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from yolorknn.errors import OutputError
from yolorknn.files import read_secret

if TYPE_CHECKING:
    from yolorknn.cli.groups import Quantization
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.predict.open_model import Place
    from yolorknn.stream.sinks.line_file import Rotation
    from yolorknn.stream.sinks.mqtt.address import Address
    from yolorknn.stream.tiled import Tiling


def parse_imgsz(text: str | None, option: str = "--imgsz") -> tuple[int, int] | None:
    """Return (height, width) of what --imgsz, or another option, was given."""
    if text is None:
        return None
    sides = text.split(",")
    if len(sides) > 2 or not all(re.fullmatch(r"\s*0*[1-9]\d{0,5}\s*", side, re.ASCII) for side in sides):
        raise typer.BadParameter(f"'{text}' is not a size: give 640, or height,width as 384,640", param_hint=option)
    return int(sides[0]), int(sides[-1])


def parse_tiling(tile: str | None, overlap: float | None) -> Tiling | None:
    """Return what --tile and --overlap say of how images are cut; None for not at all."""
    from yolorknn.stream.tiled import Tiling

    size = parse_imgsz(tile, "--tile")
    if size is None:
        if overlap is not None:
            raise typer.BadParameter("is for --tile, which cuts the frames", param_hint="--overlap")
        return None
    try:
        return Tiling(size) if overlap is None else Tiling(size, overlap)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--tile, --overlap") from None


def parse_classes(text: str | None) -> list[str] | None:
    """Return the ids or names that --classes was given."""
    return None if text is None else [entry.strip() for entry in text.split(",")]


def parse_triple(text: str | None, option: str) -> list[float] | None:
    """Return the numbers of what --mean or --std was given: three, one a channel, or the one of a grey model."""
    if text is None:
        return None
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3):
        raise typer.BadParameter(f"'{text}' is not three numbers as 0,0,0", param_hint=option)
    return values


def parse_scaling(mean: str | None, std: str | None) -> tuple[list[float], list[float]] | None:
    """Return the mean and std of pictures that --mean and --std say; None where neither is given."""
    if mean is None and std is None:
        return None
    scaling = parse_triple(mean, "--mean") or [0.0], parse_triple(std, "--std") or [1.0]
    if 0 in scaling[1]:
        raise typer.BadParameter("no number of it may be 0", param_hint="--std")
    return scaling


def parse_bytes(text: str, option: str) -> int:
    """Return how many bytes an option was given; see bytes_of."""
    from yolorknn.stream.sinks.amounts import bytes_of

    try:
        return bytes_of(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from None


def parse_rotation(text: str | None, keep: int) -> Rotation | None:
    """Return when a file makes room for a new one, of what --rotate was given; see rotation_of."""
    from yolorknn.stream.sinks.amounts import rotation_of

    try:
        return None if text is None else rotation_of(text, keep)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--rotate") from None


def read_broker(text: str, option: str) -> Address:
    """Return the broker that an option was given; its password is in the environment, or in the file of @FILE.

    Raises:
        OutputError: it is none, or the file cannot be read.
    """
    from yolorknn.stream.sinks.mqtt.address import Address

    address = Address.read(read_secret(text, option))
    if address.password and not text.startswith("@"):
        raise typer.BadParameter(
            "a password here is shown by ps: set YOLORKNN_MQTT_PASSWORD, or give @FILE that holds the URL",
            param_hint=option,
        )
    return address.with_password(mqtt_password())


def mqtt_password() -> str:
    """Return the password for brokers that the environment has."""
    return os.environ.get("YOLORKNN_MQTT_PASSWORD", "")


def build_options(
    config: Path | None,
    quantization: Quantization,
    *,
    toolkit: str | None = None,
    optimization_level: int | None = None,
    batch: int | None = None,
    mean: str | None = None,
    std: str | None = None,
    load: dict[str, Any] | None = None,
    custom_ops: list[str] | None = None,
) -> BuildOptions:
    """Return the options of a file, and over them those of the command line that were given.

    Raises:
        BuildError: the file cannot be used.
    """
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.convert.recipe.config import read

    options = read(config, toolkit=toolkit) if config else BuildOptions()
    chosen: dict[str, Any] = {
        "algorithm": quantization.algorithm,
        "method": quantization.method,
        "auto_hybrid": quantization.auto_hybrid or None,
        "float16": tuple(quantization.float16) if quantization.float16 else None,
        "optimization_level": optimization_level,
        "batch": batch,
        "custom_ops": tuple(custom_ops) if custom_ops else None,
        "load": {**options.load, **load} if load else None,
    }
    values = {"mean_values": parse_triple(mean, "--mean"), "std_values": parse_triple(std, "--std")}
    settings = {**options.config, **{name: [value] for name, value in values.items() if value}}
    return replace(options, config=settings, **{name: value for name, value in chosen.items() if value is not None})


def place_of(
    *, simulate: bool, dataset: Path | None, device: bool, device_id: str | None, toolkit: str | None
) -> Place:
    """Return where a model is to run, which is one place."""
    from yolorknn.predict.open_model import Place

    if simulate and (device or device_id):
        raise typer.BadParameter("a model runs on the simulator or on a board", param_hint="--simulate, --device")
    if dataset and not simulate:
        raise typer.BadParameter("is for --simulate, which builds the model", param_hint="--dataset")
    if toolkit and not (simulate or device or device_id):
        raise typer.BadParameter(
            "is for --simulate and --device, where the vendor's toolkit runs", param_hint="--toolkit"
        )
    return Place(simulate, dataset, device, device_id, toolkit)


def check_file(path: Path | None, *, read: Path | None = None) -> None:
    """Refuse a file whose folder cannot be written, or that is `read`, before the work that it is to show.

    Raises:
        OutputError: it cannot.
    """
    from yolorknn.files import check_apart, check_folder

    if path is not None:
        check_apart([path], [read] if read else [])
        check_folder(path.parent)


def check_lines(file: str | None) -> None:
    """Refuse a file for JSON lines that is called like what they are made of, and so is mostly one.

    Raises:
        OutputError: it is called like a picture, video or model.
    """
    from yolorknn.stream.run_folder import check_lines_name

    try:
        check_lines_name(Path(file or ""))
    except ValueError as exc:
        raise OutputError(str(exc)) from None


def check_plot(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn, before the work that it is to show.

    Raises:
        OutputError: of another kind.
    """
    if path is not None and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OutputError(f"cannot draw {path}: its suffix must be .png, .svg or .pdf")
    check_file(path)
