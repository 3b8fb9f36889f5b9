"""What the commands share: options, their parsing, and what is shown while one works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from yolorknn.errors import ModelError
from yolorknn.platforms import Dtype

if TYPE_CHECKING:
    from yolorknn.convert.toolkit import Progress

err = Console(stderr=True, highlight=False, soft_wrap=True)

Platform = Annotated[str, typer.Option(help="Chip to build for: rk3588, rk3576, rk3568, rk3566, rk3562, ...")]
DtypeOption = Annotated[Dtype | None, typer.Option(help="Default: i8 with --dataset, else fp16.")]
Dataset = Annotated[
    Path | None, typer.Option(help="Calibration images for i8: a folder, a list (.txt), a data.yaml or a video.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results [default: the input's].")]
Names = Annotated[
    Path | None, typer.Option(help="Text file with one class name a line, for a model that does not say its own.")
]
Device = Annotated[
    bool, typer.Option("--device", help="Run on a board attached to this PC over adb (not tested on a real board).")
]
DeviceId = Annotated[
    str | None, typer.Option(help="That board, by its id in `adb devices`, or HOST:PORT [default: the only one].")
]


def parse_imgsz(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) of what --imgsz was given."""
    if text is None:
        return None
    sides = text.split(",")
    if len(sides) > 2 or not all(side.strip().isdecimal() and int(side) > 0 for side in sides):
        raise typer.BadParameter(f"'{text}' is not a size: give 640, or height,width as 384,640", param_hint="--imgsz")
    return int(sides[0]), int(sides[-1])


def read_names(file: Path | None) -> list[str] | None:
    """Return the class names of a file, one a line.

    Raises:
        ModelError: it cannot be read.
    """
    if file is None:
        return None
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"cannot read the names in {file}: {getattr(exc, 'strerror', None) or exc}") from exc


def say_dtype(dtype: Dtype | None, dataset: Path | None) -> None:
    """Tell a user who chose nothing what was chosen."""
    if dtype is None and dataset is None:
        err.print("built fp16, as no --dataset was given; i8 is faster on the NPU and needs one to calibrate with")


def say_concerns(dataset: Path | None, model: Path, names: list[str] | None = None) -> None:
    """Say what makes a poor calibration set of the dataset, for a model."""
    if dataset is not None:
        from yolorknn.convert.calibrate import CalibrationSet
        from yolorknn.detector import read_metadata

        for concern in CalibrationSet.open(dataset).concerns(read_metadata(model, names=names).imgsz):
            err.print(f"warning: {concern}")


@contextmanager
def bars() -> Iterator[Progress]:
    """Show one bar that is renamed from stage to stage."""
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task("", total=1.0)
        yield lambda stage, done: shown.update(task, description=stage, completed=done)
