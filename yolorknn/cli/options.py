"""Options that several commands have, one alias each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.model.platforms import Dtype

Platform = Annotated[str, typer.Option(help="Chip to build for: rk3588, rk3576, rk3568, rk3566, rk3562, ...")]
DtypeOption = Annotated[Dtype | None, typer.Option(help="Default: i8 with --dataset, else fp16.")]
Dataset = Annotated[
    Path | None,
    typer.Option(help="Calibration images for i8: a folder, a list (.txt), a data.yaml, or what detect reads."),
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
RuntimeOption = Annotated[
    Literal["auto", "lite", "c"],
    typer.Option(
        "--runtime", help="On a board: rknn-toolkit-lite2, or librknnrt directly [default: the first, if installed]."
    ),
]
Contexts = Annotated[
    int | None,
    typer.Option(min=1, help="On a board: how many on each NPU core [default: 2 for a file of many frames, else 1]."),
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
SimulatorDataset = Annotated[Path | None, typer.Option(help="With --simulate: calibration images for i8.")]
Plot = Annotated[Path | None, typer.Option(help="Draw it to this .png or .svg.")]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the code that a .pt may hold; only for a file from someone you trust."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
