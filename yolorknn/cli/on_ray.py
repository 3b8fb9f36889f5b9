"""The options of `detect` for a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from yolorknn.cli.options import WHERE_RAY_IS
from yolorknn.cli.outputs import Outputs
from yolorknn.cli.show import bars, say
from yolorknn.errors import SourceError


@dataclass(frozen=True)
class OnRay:
    """Where many images are worked through."""

    address: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help=f"Work through many images on a Ray cluster: {WHERE_RAY_IS}. Rows are written to -o, which every node "
            "has.",
            metavar="ADDRESS",
        ),
    ] = None
    shards: Annotated[
        Literal["parquet", "jsonl"], typer.Option("--shards", help="With --ray: what the rows are written as.")
    ] = "parquet"
    column: Annotated[
        str | None,
        typer.Option("--column", help="With --ray: the column of a Parquet source that has the images or their paths."),
    ] = None

    def check(self, outputs: Outputs, alone: Mapping[str, object]) -> None:
        """Refuse options that say nothing to a cluster.

        Args:
            outputs: where results go; only the folder is asked for here.
            alone: options that work on one machine only, and what they were given.
        """
        given = [field.name for field in fields(Outputs) if getattr(outputs, field.name) != field.default]
        if "output" not in given:
            raise typer.BadParameter("needs -o FOLDER, which every node has, for the rows", param_hint="--ray")
        named = {"json_file": "--json", "csv_file": "--csv", "save": "--no-save"}
        other = [named.get(name, f"--{name}") for name in given if name != "output"]
        other += [option for option, value in alone.items() if value]
        if other:
            raise typer.BadParameter("is not for --ray, which writes rows and nothing else", param_hint=other[0])

    def check_alone(self) -> None:
        """Refuse options that are for a cluster, without one."""
        if self.column or self.shards != "parquet":
            raise typer.BadParameter("is for --ray", param_hint="--column" if self.column else "--shards")

    def run(self, source: str, model: Path, output: Path, **options: Any) -> None:
        """Work through a source, and say how it went.

        Raises:
            SourceError: images could not be read.
        """
        from yolorknn.integrations.ray.job import detect

        assert self.address is not None
        with bars() as progress:
            job = detect(
                source,
                model,
                output,
                address=self.address,
                form=self.shards,
                column=self.column,
                progress=lambda done, total: progress(f"{done} of {total} images", done / max(1, total)),
                **options,
            )
        before = f", {job.done_before} of them by a run before" if job.done_before else ""
        say(f"{job.images} images on {job.workers} workers{before}; rows in {output}")
        if job.failed:
            raise SourceError(
                f"{job.failed} of {job.images} images could not be read: their rows in {output} have an error"
            )
