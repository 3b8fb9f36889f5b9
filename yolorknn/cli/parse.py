"""Text of options to values, and the refusal of options that contradict each other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from yolorknn.errors import ModelError, OutputError
from yolorknn.files import decoded

if TYPE_CHECKING:
    from yolorknn.cli.groups import Quantization
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.predict.open_model import Place


def parse_imgsz(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) of what --imgsz was given."""
    if text is None:
        return None
    sides = text.split(",")
    if len(sides) > 2 or not all(re.fullmatch(r"\s*0*[1-9]\d{0,5}\s*", side, re.ASCII) for side in sides):
        raise typer.BadParameter(f"'{text}' is not a size: give 640, or height,width as 384,640", param_hint="--imgsz")
    return int(sides[0]), int(sides[-1])


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


def read_names(file: Path | None) -> list[str] | None:
    """Return the class names of a file, one a line.

    Raises:
        ModelError: it cannot be read.
    """
    if file is None:
        return None
    try:
        return [line.strip() for line in decoded(file.read_bytes()).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"cannot read the names in {file}: {getattr(exc, 'strerror', None) or exc}") from exc


def build_options(
    config: Path | None,
    quantization: Quantization,
    *,
    optimization_level: int | None = None,
    batch: int | None = None,
    mean: str | None = None,
    std: str | None = None,
) -> BuildOptions:
    """Return the options of a file, and over them those of the command line that were given.

    Raises:
        BuildError: the file cannot be used.
    """
    from yolorknn.convert.recipe.build_options import BuildOptions
    from yolorknn.convert.recipe.config import read

    options = read(config) if config else BuildOptions()
    chosen: dict[str, Any] = {
        "algorithm": quantization.algorithm,
        "method": quantization.method,
        "auto_hybrid": quantization.auto_hybrid or None,
        "float16": tuple(quantization.float16) if quantization.float16 else None,
        "optimization_level": optimization_level,
        "batch": batch,
    }
    values = {"mean_values": parse_triple(mean, "--mean"), "std_values": parse_triple(std, "--std")}
    settings = {**options.config, **{name: [value] for name, value in values.items() if value}}
    return replace(options, config=settings, **{name: value for name, value in chosen.items() if value is not None})


def place_of(*, simulate: bool, dataset: Path | None, device: bool, device_id: str | None) -> Place:
    """Return where a model is to run, which is one place."""
    from yolorknn.predict.open_model import Place

    if simulate and (device or device_id):
        raise typer.BadParameter("a model runs on the simulator or on a board", param_hint="--simulate, --device")
    if dataset and not simulate:
        raise typer.BadParameter("is for --simulate, which builds the model", param_hint="--dataset")
    return Place(simulate, dataset, device, device_id)


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
    from yolorknn.image import IMAGE_SUFFIXES, VIDEO_SUFFIXES

    if file and Path(file).suffix.lower() in {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, ".onnx", ".rknn", ".pt"}:
        raise OutputError(f"{file} is called like a picture, video or model: give a file as found.jsonl for the lines")


def check_plot(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn, before the work that it is to show.

    Raises:
        OutputError: of another kind.
    """
    if path is not None and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OutputError(f"cannot draw {path}: its suffix must be .png, .svg or .pdf")
    check_file(path)
