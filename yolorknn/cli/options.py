"""Options that several commands have, one alias each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.model.platforms import Dtype


def check_folder_name(folder: Path | None) -> Path | None:
    """Refuse a folder that is to be made and is called like a file, as another program's -o would be."""
    from yolorknn.stream.run_folder import check_folder_name as check

    try:
        check(folder)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
    return folder


Platform = Annotated[str, typer.Option(help="Chip to build for: rk3588, rk3576, rk3568, rk3566, rk3562, ...")]
DtypeOption = Annotated[Dtype | None, typer.Option(help="Default: i8 with --dataset, else fp16.")]
Dataset = Annotated[
    Path | None,
    typer.Option(help="Calibration images for i8: a folder, a list (.txt), a data.yaml, or what detect reads."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        help="With --max-drop: the data.yaml or class folder; part of it calibrates [or --dataset], the rest measures."
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        min=0, help="Try recipes until int8 loses at most so many points of mAP50-95, or top-1 (1 point is 0.01)."
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="With --generic --max-drop: module:function or file.py:function that says how good outputs are; 1 is best "
        "[default: agreement with float].",
    ),
]
Mmse = Annotated[bool, typer.Option("--mmse", help="With --max-drop: try mmse last; it takes a hundred times as long.")]
WHERE_RAY_IS = "its HOST:PORT, auto for the one that runs here, or local for this machine alone"
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray", help=f"Divide the images among the workers of a Ray cluster: {WHERE_RAY_IS}.", metavar="ADDRESS"
    ),
]
RayOfGate = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help=f"With --max-drop: try recipes side by side on the PCs of a Ray cluster: {WHERE_RAY_IS}.",
        metavar="ADDRESS",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Folder for the results [default: the input's].", callback=check_folder_name),
]
Names = Annotated[
    Path | None, typer.Option(help="Text file with one class name a line, for a model that does not say its own.")
]
Anchors = Annotated[
    str | None,
    typer.Option(
        help="Of YOLOv5 or YOLOv7: a text file of its anchor boxes' sizes, or yolov5, yolov7 or yolov7-tiny for the "
        "published."
    ),
]
Device = Annotated[
    bool, typer.Option("--device", help="Run on a board attached to this PC over adb (not tested on a real board).")
]
DeviceId = Annotated[
    str | None, typer.Option(help="That board, by its id in `adb devices`, or HOST:PORT [default: the only one].")
]
RuntimeOption = Annotated[
    Literal["auto", "lite", "c"],
    typer.Option(
        "--runtime", help="On a board: rknn-toolkit-lite2, or librknnrt directly [default: the first, if installed]."
    ),
]
Contexts = Annotated[
    int | None,
    typer.Option(min=1, max=8, help="On a board: how many on each NPU core [default: 2 for a file of frames, else 1]."),
]
Tile = Annotated[
    str | None,
    typer.Option(help="Look at tiles of so many pixels too, 640 or height,width: for small objects in large frames."),
]
Overlap = Annotated[
    float | None, typer.Option(help="Share of a tile that the next one shows too, 0 to 0.9 [default: 0.2].")
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
ToolkitOption = Annotated[
    str | None,
    typer.Option(
        "--toolkit",
        help="Version of rknn-toolkit2 to use, as `toolkit list` shows [default: the one beside yolorknn, else the "
        "newest].",
        metavar="VERSION",
    ),
]
Toolkit1Option = Annotated[
    Path | None,
    typer.Option(
        "--toolkit1",
        help="For rv1126, rk1808 and the like: the Python that has rknn-toolkit 1.7 [default: one that is found].",
        metavar="PYTHON",
    ),
]
Precompile = Annotated[
    bool | None,
    typer.Option(
        "--pre-compile/--no-pre-compile",
        help="For these: compile for the NPU here, as the mini driver needs [default: for rv1109 and rv1126, where it "
        "can be].",
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The vendor's rarer options, as TOML: see docs/toolkit.md.")
]
SimulatorDataset = Annotated[Path | None, typer.Option(help="With --simulate: calibration images for i8.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it to this .png or .svg.")]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the code that a .pt may hold; only for a file from someone you trust."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        help="NAME=FILE: a .npy, .npz or picture for an input; again for more. Without NAME= for the only input.",
        metavar="NAME=FILE",
    ),
]
Mean = Annotated[
    str | None, typer.Option("--mean", help="Of pictures: the model is given (pixel - mean) / std [default: pixels].")
]
Std = Annotated[str | None, typer.Option("--std", help="See --mean.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
BoardFolder = Annotated[str, typer.Option(help="Folder on the board, below its home.")]
SshPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the board's ssh.")]
SshOption = Annotated[
    list[str] | None,
    typer.Option(help="More for ssh, repeatable: IdentityFile=~/.ssh/board", metavar="NAME=VALUE"),
]
AtOnce = Annotated[int | None, typer.Option(min=1, max=64, help="So many boards side by side [default: 8].")]
