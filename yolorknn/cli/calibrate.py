"""`yolorknn calibrate`: images to quantize with, chosen from a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yolorknn.cli.options import check_folder_name
from yolorknn.cli.show import bars, put, say, tell_seen


def calibrate_command(
    source: Annotated[
        str,
        typer.Argument(help="A video, camera0, stream's URL, folder, glob, list or data.yaml.", metavar="SOURCE"),
    ],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10000, help="How many images to choose.")] = 100,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to make.", callback=check_folder_name)] = Path(
        "dataset"
    ),
) -> None:
    """Choose calibration images that differ: no near-duplicates, no broken frames."""
    from yolorknn.data.choose import choose

    tell_seen(source, "SOURCE")
    with bars() as progress:
        chosen = choose(source, count=count, output=output, progress=progress)
    put(output / "dataset.txt")
    say(
        f"{chosen.images} of {chosen.seen} frames chosen ({chosen.broken} broken, {chosen.alike} near-duplicates); "
        f"look at {output / 'contact-sheet.jpg'}"
    )
    if chosen.images < count:
        say(f"fewer than the {count} asked for: {chosen.ended or 'the source has no more that differ'}")
