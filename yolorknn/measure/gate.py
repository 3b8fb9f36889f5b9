"""The gate: build int8, measure what it costs in mAP on images kept apart, and try the next recipe if that is too much.

Drops are in points of mAP50-95: 0.5 is from 0.476 to 0.471.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import build
from yolorknn.convert.recipe.attention import attention_blocks
from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.recipe.prepared import prepared
from yolorknn.convert.simulator import served
from yolorknn.convert.tables.estimate import estimate
from yolorknn.convert.tables.layers import LayerError, lossy, parse_layers
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.data.dataset import thin
from yolorknn.data.holdout import hold_out
from yolorknn.errors import AccuracyError, BuildError, ModelError
from yolorknn.files import check_folder, write_bytes
from yolorknn.measure.gate_report import GateReport, Trial, passing
from yolorknn.measure.val import measuring, validate
from yolorknn.model.platforms import get_platform
from yolorknn.progress import Progress
from yolorknn.runtime.backend import SessionBackend

WORST = (10, 30)
"""How many of the worst layers are kept in float16."""
FEW = 100
"""Images that are calibrated with at first, where more are left."""


class Recipe(NamedTuple):
    """One way to build int8."""

    name: str
    options: BuildOptions
    few: bool = True
    """Whether FEW of the calibration images will do, or all are taken."""


def recipes(
    compare: Callable[[], Sequence[LayerError]],
    *,
    attention: tuple[tuple[str, str], ...],
    more: bool,
    float16: bool,
    mmse: bool,
) -> Iterator[Recipe]:
    """Yield recipes: first those that cost no speed, then those that keep layers in float16.

    Args:
        compare: asked once, late, for what each layer loses.
        attention: the model's, see attention_blocks().
        more: whether there are more than FEW images to calibrate with.
        float16: whether the chip runs float16 layers.
        mmse: try mmse at the end; it takes a hundred times as long.
    """
    yield Recipe("mean", BuildOptions(algorithm="mean"))
    if more:
        yield Recipe("mean, more images", BuildOptions(algorithm="mean"), few=False)
    yield Recipe("normal", BuildOptions(algorithm="normal"))
    yield Recipe("kl_divergence", BuildOptions(algorithm="kl_divergence"))
    if float16 and attention:
        yield Recipe("mean, attention float16", BuildOptions(algorithm="mean", custom_hybrid=attention))
    if float16:
        worst = lossy(compare())
        for count in WORST:
            options = BuildOptions(algorithm="mean", float16=tuple(worst[:count]))
            yield Recipe(f"mean, {count} layers float16", options)
        yield Recipe("auto_hybrid", BuildOptions(algorithm="normal", auto_hybrid=True))
    if mmse:
        yield Recipe("mmse", BuildOptions(algorithm="mmse"))


def build_within(
    onnx: Path,
    *,
    data: Path,
    max_drop: float,
    platform: str = "rk3588",
    dataset: Path | None = None,
    mmse: bool = False,
    names: list[str] | None = None,
    output: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, GateReport]:
    """Build NAME-PLATFORM-i8.rknn by the first recipe that loses at most `max_drop`, with a report (.accuracy.json).

    Where none is good enough, the report is NAME.rejected.json, and an earlier result stays as it is.

    Args:
        onnx: see build().
        data: the data.yaml; images that are not calibrated with are measured on.
        max_drop: points of mAP50-95 that int8 may lose.
        platform: the chip.
        dataset: calibration set; default is part of the data.yaml's images, see hold_out().
        mmse: try mmse too.
        names: class names for an ONNX without metadata.
        output: folder; default is the ONNX's.
        progress: told the stages.

    Returns:
        Path of the .rknn, and the report.

    Raises:
        AccuracyError: no recipe is good enough; the best is named, and no .rknn is written.
        DatasetError: the data.yaml, an image or a label cannot be used, or nothing is left to measure on.
        ModelError: see build(); or the platform runs no int8.
    """
    chip = get_platform(platform)
    if "i8" not in chip.dtypes:
        raise ModelError(f"{chip.name} runs fp16 models only: there is no int8 to measure")
    folder = output or onnx.parent
    check_folder(folder)
    name = f"{onnx.stem}-{chip.name}-i8"
    listing = folder / f"{name}.calibration.txt"
    accuracy, rejected = folder / f"{name}.accuracy.json", folder / f"{name}.rejected.json"
    given = CalibrationSet.open(dataset) if dataset is not None else None
    calibration, measured = hold_out(data, given)
    with tempfile.TemporaryDirectory(prefix="yolorknn-gate-") as scratch:  # an earlier result stays while we try
        sets = _sets(Path(scratch), calibration, dataset)
        job = _Measuring(onnx, chip.name, sets, data, measured, names, progress)
        with measuring(onnx, names=names) as detector:
            floating = validate(onnx, data, images=measured, detector=detector, progress=progress).map
        report = GateReport(onnx.name, chip.name, str(data), len(measured), floating, max_drop, (), None)
        more = len(calibration) > FEW and given is None
        attention = attention_blocks(onnx)
        for recipe in recipes(job.compare, attention=attention, more=more, float16="fp16" in chip.dtypes, mmse=mmse):
            report = replace(report, trials=(*report.trials, job.trial(recipe, floating)))
            if passed := passing(report.trials, max_drop):
                report = replace(report, chosen=passed.recipe)
                break
        lines = sets[recipe.few].dataset.read_bytes() if given is None else b""
    if report.chosen is None:
        write_bytes(rejected, json.dumps(report.to_json(), indent=2).encode())
        earlier = folder / f"{name}.rknn"
        kept = f"; {earlier} is of an earlier build" if earlier.exists() else ""
        raise AccuracyError(
            f"{report.why} (all of them: {rejected}): calibrate with more, or more typical, images (--dataset), "
            f"allow a larger --max-drop, or build --dtype fp16{kept}",
            table=report.table(),
        )
    if given is None:
        write_bytes(listing, lines)
    built = build(
        onnx,
        platform=chip.name,
        dtype="i8",
        dataset=dataset or listing,
        names=names,
        options=recipe.options,
        accuracy=report.summary(),
        output=folder,
        progress=progress,
    )
    last = replace(report.trials[-1], size=built.stat().st_size)  # with metadata, some bytes more
    report = replace(report, trials=(*report.trials[:-1], last))
    write_bytes(accuracy, json.dumps(report.to_json(), indent=2).encode())
    rejected.unlink(missing_ok=True)
    return built, report


class _Set(NamedTuple):
    """What is calibrated with, and how many images that is."""

    dataset: Path
    images: int


def _sets(scratch: Path, images: Sequence[Path], given: Path | None) -> dict[bool, _Set]:
    """Return the set for recipes that need few images, and for the others; a user's own is never cut short."""
    if given is not None:
        return dict.fromkeys((True, False), _Set(given, len(images)))
    sets = {True: thin(images, FEW), False: list(images)}
    for few, chosen in sets.items():
        lines = "".join(f"{image.resolve()}\n" for image in chosen)
        write_bytes(scratch / f"{few}.txt", lines.encode())
    return {few: _Set(scratch / f"{few}.txt", len(chosen)) for few, chosen in sets.items()}


@dataclass(frozen=True)
class _Measuring:
    """What all trials share."""

    onnx: Path
    platform: str
    sets: dict[bool, _Set]
    data: Path
    images: Sequence[Path]
    names: list[str] | None
    progress: Progress | None

    def compare(self) -> Sequence[LayerError]:
        """Return what each layer loses by the first recipe."""
        found = analyze(
            self.onnx,
            platform=self.platform,
            dataset=self.sets[True].dataset,
            names=self.names,
            options=BuildOptions(algorithm="mean"),
            progress=self.progress,
        )
        return found.errors

    def trial(self, recipe: Recipe, floating: float) -> Trial:
        """Build by a recipe, and measure what was built."""
        options = recipe.options
        recorded = {"algorithm": options.algorithm, "method": options.method, **options.recorded()}
        trial = Trial(recipe.name, recorded, self.sets[recipe.few].images)
        with tempfile.TemporaryDirectory(prefix="yolorknn-gate-") as folder:
            try:
                return self._measure(trial, recipe, Path(folder) / "build.log", floating)
            except BuildError as exc:
                return replace(trial, refused=str(exc).partition(" (log: ")[0])

    def _measure(self, trial: Trial, recipe: Recipe, log: Path, floating: float) -> Trial:
        with prepared(
            self.onnx,
            platform=self.platform,
            dtype="i8",
            dataset=self.sets[recipe.few].dataset,
            names=self.names,
            options=recipe.options,
            progress=self.progress,
        ) as made:
            file = made.scratch / "model.rknn"
            job = replace(made.job, export=str(file), serve=True, verbose=True)
            with Toolkit(job, log=log, progress=self.progress) as toolkit:
                speed = estimate(parse_layers(toolkit.output()), self.platform)
                size = file.stat().st_size
                backend = SessionBackend(served(toolkit, made), made.metadata)
                with measuring(self.onnx, names=self.names, backends=[backend]) as detector:
                    found = validate(
                        self.onnx, self.data, images=self.images, detector=detector, progress=self.progress
                    )
        ms = speed.ms if speed.ms is not None else (speed.low_ms + speed.high_ms) / 2
        return replace(trial, map=found.map, drop=100 * (floating - found.map), size=size, ms=ms)
