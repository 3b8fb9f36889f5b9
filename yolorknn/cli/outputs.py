"""The options of `detect` for where results go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import exists, isfile, realpath
from pathlib import Path
from typing import Annotated, Literal

import typer

from yolorknn.cli.options import check_folder_name
from yolorknn.cli.parse import parse_bytes, parse_rotation, read_broker
from yolorknn.errors import ModelError
from yolorknn.files import identity_of


@dataclass(frozen=True)
class Outputs:
    """Where results go."""

    save: Annotated[
        bool,
        typer.Option(
            "--save/--no-save",
            help="Write annotated images or video. --no-save alone makes the run's folder too, for the JSON lines.",
        ),
    ] = True
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json",
            help="File for the JSON lines, its folder made if absent; - for stdout [default: in the run's folder].",
        ),
    ] = None
    csv_file: Annotated[Path | None, typer.Option("--csv", help="File for a row of each object, as CSV.")] = None
    rotate: Annotated[
        str | None,
        typer.Option(
            help="Begin a new file of JSON lines and CSV at this size, or age, or either: 100M, 1d, 100M,12h.",
            metavar="WHEN",
        ),
    ] = None
    keep: Annotated[int, typer.Option(min=0, help="With --rotate: older files that stay.")] = 9
    record: Annotated[
        Path | None,
        typer.Option(
            help="Folder for annotated video in segments of a minute, in place of one video.",
            metavar="FOLDER",
            callback=check_folder_name,
        ),
    ] = None
    snapshots: Annotated[
        Path | None,
        typer.Option(
            help="Folder for JPEGs of frames with something in them.", metavar="FOLDER", callback=check_folder_name
        ),
    ] = None
    crops: Annotated[
        Path | None,
        typer.Option(help="Folder for JPEGs of each object.", metavar="FOLDER", callback=check_folder_name),
    ] = None
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Post the JSON line of a frame with something in it to this URL; @FILE that holds it.", metavar="URL"
        ),
    ] = None
    mqtt: Annotated[
        str | None,
        typer.Option(
            help="Publish counts, pictures and events to this broker, for Home Assistant: mqtt://user@host, or @FILE "
            "that holds it. Its password is YOLORKNN_MQTT_PASSWORD in the environment.",
            metavar="URL",
        ),
    ] = None
    board: Annotated[
        str | None, typer.Option(help="With --mqtt: this board's name in topics [default: of its machine-id].")
    ] = None
    every: Annotated[
        float, typer.Option(min=0, help="With --snapshots, --crops and --webhook: seconds between two of them.")
    ] = 10.0
    quota: Annotated[
        str, typer.Option(help="With --record, --snapshots, --crops: what each has at most; the oldest files go.")
    ] = "10G"
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder that holds the runs.", callback=check_folder_name)
    ] = Path("runs/detect")
    masks: Annotated[
        Literal["rle", "polygons"], typer.Option(help="How the JSON lines give masks: COCO's run lengths, or polygons.")
    ] = "rle"
    name: Annotated[str | None, typer.Option(help="The run's folder [default: after the source].")] = None

    def check(self) -> None:
        """Refuse what is mistyped, before a model is loaded."""
        parse_rotation(self.rotate, self.keep)
        parse_bytes(self.quota, "--quota")
        if str(self.csv_file) == "-":
            raise typer.BadParameter("is for a file; --json - prints", param_hint="--csv")
        lines = {"--json": Path(self.json_file) if self.json_file else None, "--csv": self.csv_file}
        # a device, as /dev/null, may take both
        files = {name: file for name, file in lines.items() if file and (isfile(file) or not exists(file))}
        _check_apart(files, "is the file of {}: give another name")
        folders = {"--record": self.record, "--snapshots": self.snapshots, "--crops": self.crops}
        _check_apart(folders, "is the folder that {} has: give each its own")
        if self.mqtt:
            read_broker(self.mqtt, "--mqtt")
        elif self.board is not None:
            raise typer.BadParameter("is for --mqtt, which names the broker", param_hint="--board")

    def check_task(self, model: Path, task: str, *, chosen: bool) -> None:
        """Refuse what a classifier cannot give.

        Args:
            model: for the message.
            task: of the model.
            chosen: whether classes were.
        """
        for option, what in {"--crops": self.crops, "--classes": chosen}.items():
            if task == "classify" and what:
                raise ModelError(f"{model} classifies whole images and finds no objects in them: leave out {option}")

    @property
    def needs_folder(self) -> bool:
        """Whether a run has a folder of its own."""
        return not self.json_file or (self.save and not self.record)


def _check_apart(paths: Mapping[str, Path | None], what: str) -> None:
    """Refuse what two options write to, by whatever name."""
    taken: dict[object, str] = {}
    for option, path in paths.items():
        first = taken.setdefault(identity_of(path) or realpath(path), option) if path else option
        if first != option:
            raise typer.BadParameter(what.format(first), param_hint=option)
