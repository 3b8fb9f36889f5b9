"""What the commands share: options, their parsing, and what is shown while one works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from yolorknn.cli.show import bars, err
from yolorknn.errors import AccuracyError, ModelError, OutputError
from yolorknn.model.platforms import Dtype

if TYPE_CHECKING:
    from yolorknn.convert.recipe.options import BuildOptions
    from yolorknn.open_model import Place

Platform = Annotated[str, typer.Option(help="Chip to build for: rk3588, rk3576, rk3568, rk3566, rk3562, ...")]
DtypeOption = Annotated[Dtype | None, typer.Option(help="Default: i8 with --dataset, else fp16.")]
Dataset = Annotated[
    Path | None, typer.Option(help="Calibration images for i8: a folder, a list (.txt), a data.yaml or a video.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="With --max-drop: the data.yaml; part of it calibrates [or --dataset], the rest measures."),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(min=0, help="Try recipes until int8 loses at most so many points of mAP50-95 (1 point is 0.01)."),
]
Mmse = Annotated[bool, typer.Option("--mmse", help="With --max-drop: try mmse last; it takes a hundred times as long.")]
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


AlgorithmOption = Annotated[
    Literal["mean", "normal", "mmse", "kl_divergence", "gdq"] | None,
    typer.Option("--algorithm", help="How ranges are measured [default: mean, where it can be]."),
]
MethodOption = Annotated[
    str | None, typer.Option("--method", help="Weights have a scale per channel or layer [default: channel].")
]
AutoHybrid = Annotated[bool, typer.Option("--auto-hybrid", help="Let the toolkit keep layers in float16.")]
Float16 = Annotated[
    list[str] | None, typer.Option(help="A tensor whose layer stays in float16; give it again for more.")
]
Float16Below = Annotated[
    float | None, typer.Option(help="Keep layers in float16 whose own cosine is below this, as 0.99: see analyze.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The vendor's rarer options, as TOML: see docs/toolkit.md.")
]


def build_options(
    config: Path | None, *, mean: str | None = None, std: str | None = None, **chosen: Any
) -> BuildOptions:
    """Return the options of a file, and over them those of the command line that are not None."""
    from yolorknn.convert.recipe.config import read
    from yolorknn.convert.recipe.options import BuildOptions

    options = read(config) if config else BuildOptions()
    values = {"mean_values": parse_triple(mean, "--mean"), "std_values": parse_triple(std, "--std")}
    settings = {**options.config, **{name: [value] for name, value in values.items() if value}}
    return replace(options, config=settings, **{name: value for name, value in chosen.items() if value is not None})


def say_unfit(options: BuildOptions, *, encrypt: int) -> None:
    """Tell what runs a model that the detector cannot run."""
    from yolorknn.model.fit import check_fit
    from yolorknn.model.metadata import Build

    if why := check_fit(Build("", "i8", "", options=options.recorded())):
        err.print(f"'yolorknn detect' does not run this model: {why}")
    if encrypt:
        err.print("'yolorknn detect' does not run the encrypted model: programs that call rknn_init run it")


def parse_triple(text: str | None, option: str) -> list[float] | None:
    """Return the three numbers, one a channel, of what --mean or --std was given."""
    if text is None:
        return None
    try:
        red, green, blue = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not three numbers as 0,0,0", param_hint=option) from None
    return [red, green, blue]


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


def check_gate(data: Path | None, max_drop: float | None, *, mmse: bool, dtype: Dtype | None, chosen: bool) -> None:
    """Refuse options of the gate that contradict each other."""
    if max_drop is None and (data or mmse):
        raise typer.BadParameter("needs --max-drop, the points of mAP50-95 that int8 may lose", param_hint="--data")
    if max_drop is not None and data is None:
        raise typer.BadParameter("needs --data, a data.yaml with labelled images", param_hint="--max-drop")
    if max_drop is not None and dtype == "fp16":
        raise typer.BadParameter("is about int8: leave out --dtype fp16", param_hint="--max-drop")
    if max_drop is not None and chosen:
        raise typer.BadParameter(
            "chooses the recipe itself: leave out the options of the build", param_hint="--max-drop"
        )


def build_gated(
    onnx: Path,
    *,
    data: Path,
    max_drop: float,
    mmse: bool,
    platform: str,
    dataset: Path | None,
    names: list[str] | None,
    output: Path | None,
) -> Path:
    """Build by the gate, and print what it tried."""
    from yolorknn.measure.gate import build_within

    say_concerns(dataset, onnx, names)
    try:
        with bars() as progress:
            built, report = build_within(
                onnx,
                data=data,
                max_drop=max_drop,
                platform=platform,
                dataset=dataset,
                mmse=mmse,
                names=names,
                output=output,
                progress=progress,
            )
    except AccuracyError as exc:
        err.print(exc.table)
        raise
    err.print(report.table())
    return built


def say_dtype(dtype: Dtype | None, dataset: Path | None) -> None:
    """Tell a user who chose nothing what was chosen."""
    if dtype is None and dataset is None:
        err.print("built fp16, as no --dataset was given; i8 is faster on the NPU and needs one to calibrate with")


def say_float16(rknn: Path, below: float | None) -> None:
    """Tell which layers --float16-below found."""
    if below is not None:
        from yolorknn.open_model import read_metadata

        build = read_metadata(rknn).build
        kept = build.options.get("float16", []) if build else []
        what = f"{len(kept)} layers have a cosine below {below:g} and stay in float16: {', '.join(kept)}"
        err.print(what if kept else f"no layer has a cosine below {below:g}: all are int8")


def say_concerns(dataset: Path | None, model: Path, names: list[str] | None = None) -> None:
    """Say what makes a poor calibration set of the dataset, for a model."""
    if dataset is not None:
        from yolorknn.data.calibration_set import CalibrationSet
        from yolorknn.open_model import read_metadata

        for concern in CalibrationSet.open(dataset).concerns(read_metadata(model, names=names).imgsz):
            err.print(f"warning: {concern}")


def place_of(*, simulate: bool, dataset: Path | None, device: bool, device_id: str | None) -> Place:
    """Return where a model is to run, which is one place."""
    from yolorknn.open_model import Place

    if simulate and (device or device_id):
        raise typer.BadParameter("a model runs on the simulator or on a board", param_hint="--simulate, --device")
    if dataset and not simulate:
        raise typer.BadParameter("is for --simulate, which builds the model", param_hint="--dataset")
    return Place(simulate, dataset, device, device_id)


def check_file(path: Path | None) -> None:
    """Refuse a file whose folder cannot be written, before the work that it is to show.

    Raises:
        OutputError: it cannot.
    """
    from yolorknn.files import check_folder

    if path is not None:
        check_folder(path.parent)


def check_plot(path: Path | None) -> None:
    """Refuse a picture that cannot be drawn, before the work that it is to show.

    Raises:
        OutputError: of another kind.
    """
    if path is not None and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OutputError(f"cannot draw {path}: its suffix must be .png, .svg or .pdf")
    check_file(path)
