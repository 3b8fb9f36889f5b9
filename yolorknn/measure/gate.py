"""The gate: build int8, measure what it costs on images kept apart, and try the next recipe if that is too much.

Drops are in points of mAP50-95, or of a classifier's top-1: 0.5 is from 0.476 to 0.471.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import Outcome, build_as, listing_of
from yolorknn.convert.recipe.attention import attention_blocks
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.generic import checked_digest
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.served import ServedSession
from yolorknn.convert.tables.layers import LayerError
from yolorknn.errors import CalibrationError, DatasetError
from yolorknn.files import check_folder
from yolorknn.measure.gate_plan import CalibrationSets, GatePlan
from yolorknn.measure.gate_report import GateReport, Trial
from yolorknn.measure.measured import measured
from yolorknn.measure.recipes import Recipe, recipes
from yolorknn.measure.spread import Spread
from yolorknn.measure.trials import (
    ReportFiles,
    in_turn,
    int8_platform,
    side_by_side,
    simulated,
    trial_of,
    until_passing,
)
from yolorknn.measure.truth import check_truth, measure_of
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.read import read_file
from yolorknn.progress import Progress
from yolorknn.runtime.backend import SessionBackend
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import metadata_of, task_of
from yolorknn.toolkits.installed import choose


def build_within(
    request: BuildRequest,
    plan: GatePlan,
    *,
    max_drop: float,
    mmse: bool = False,
    output: Path | None = None,
    spread: Spread | None = None,
    progress: Progress | None = None,
) -> tuple[Path, GateReport]:
    """Build NAME-PLATFORM-i8.rknn by the first recipe that loses at most `max_drop`, with a report (.accuracy.json).

    Where none is good enough, the report is NAME.rejected.json, and an earlier result stays as it is.

    Args:
        request: the ONNX, the platform and the names; the rest is the gate's to choose.
        plan: what to calibrate with and to measure on.
        max_drop: points of mAP50-95, or of a classifier's top-1, that int8 may lose.
        mmse: try mmse too.
        output: folder; default is the ONNX's.
        spread: try recipes side by side on its workers; what is measured and built is the same.
        progress: told the stages.

    Returns:
        Path of the .rknn, and the report.

    Raises:
        AccuracyError: no recipe is good enough; the best is named, and no .rknn is written.
        CalibrationError: side by side, the calibration set is a camera's.
        DatasetError: an image cannot be used, or the images are not labelled for the model's task; or the float model
            finds nothing in them.
        ModelError: see build(); or the platform runs no int8.
    """
    chip = int8_platform(request.platform)
    request = replace(request, platform=chip.name, dtype="i8", sha256=checked_digest(request))
    folder = output or request.model.parent
    check_folder(folder)
    files = ReportFiles(folder, f"{request.model.stem}-{chip.name}-i8")
    if spread is not None and plan.calibration.live:
        raise CalibrationError(
            f"{plan.calibration.live} gives each worker other frames: calibrate on images or a video that all can read"
        )
    with _trials(request, plan, progress) as trials:  # an earlier result stays while we try
        metadata = trials.metadata
        check_truth(metadata.task, plan.labelled, model=request.model)
        report = GateReport(
            model=request.model.name,
            platform=chip.name,
            data=str(plan.data),
            measured=len(plan.labelled.images),
            float_map=_above_nothing(trials.float_map(), plan),
            max_drop=max_drop,
            trials=(),
            chosen=None,
            measure=measure_of(plan.labelled),
        )
        attention = attention_blocks(request.model)
        float16 = "fp16" in chip.dtypes
        offsets = tuple(output.name for output in metadata.outputs if output.role == "keypoints")
        rounds = recipes(
            trials.compare, attention=attention, offsets=offsets, more=plan.more, float16=float16, mmse=mmse
        )
        with closing(trials.tried(rounds, report.float_map, spread)) as tried:
            report, recipe = until_passing(report, tried)
        if recipe is None:
            raise files.reject(report, measured="images")
        dataset, calibration = trials.sets.of(few=recipe.few)
        request = replace(request, dataset=dataset, options=recipe.options)
        outcome = Outcome.of(request, folder)
        if not plan.own:
            outcome = replace(outcome, listing=dataset.read_bytes())
            request = replace(request, dataset=listing_of(outcome.target))
        rknn = build_as(
            request,
            outcome,
            calibration=calibration,
            accuracy=report.summary(),
            progress=progress,
        )
    last = replace(report.trials[-1], size=rknn.stat().st_size)  # with metadata, some bytes more
    report = replace(report, trials=(*report.trials[:-1], last))
    files.accept(report)
    return rknn, report


def _above_nothing(floating: float, plan: GatePlan) -> float:
    """Return what the float model measures; of one that finds nothing right int8 could lose nothing."""
    if floating > 0:
        return floating
    raise DatasetError(
        f"the float model itself has a {measure_of(plan.labelled)} of 0 on {len(plan.labelled.images)} images of "
        f"{plan.data}, so that no loss would show: give the data that it was trained with"
    )


@contextmanager
def _trials(request: BuildRequest, plan: GatePlan, progress: Progress | None) -> Iterator[_Trials]:
    with temporary_folder("gate") as scratch:
        metadata = metadata_of(read_file(request.model), names=request.names, anchors=request.anchors)
        canvas = task_of(metadata).canvas(metadata.imgsz)
        sets = CalibrationSets(plan, scratch, canvas=canvas, colour=metadata.colour, progress=progress)
        yield _Trials(request, plan, metadata, sets, progress)


@dataclass(frozen=True)
class _Elsewhere:
    """What a worker is sent to try recipes; see spread.Opening."""

    model: Callable[[], Path]
    request: BuildRequest
    plan: GatePlan
    floating: float

    @contextmanager
    def __call__(self, _: object) -> Iterator[Callable[[Recipe], Trial]]:
        with _trials(replace(self.request, model=self.model()), self.plan, None) as trials:
            yield partial(trials.of, floating=self.floating)


@dataclass(frozen=True)
class _Trials:
    """Recipes tried, and what they share."""

    request: BuildRequest
    plan: GatePlan
    metadata: ModelMetadata
    sets: CalibrationSets
    progress: Progress | None

    def tried(
        self, rounds: Iterable[Iterable[Recipe]], floating: float, spread: Spread | None
    ) -> Generator[tuple[Recipe, Trial], None, None]:
        """Yield recipes with their trials."""
        if spread is None:
            yield from in_turn(rounds, partial(self.of, floating=floating))
            return
        request = replace(self.request, toolkit=choose(self.request.toolkit).version)  # the same everywhere
        there = _Elsewhere(spread.carried(request.model), request, self.plan, floating)
        yield from side_by_side(rounds, spread, there, request.model.name, self.progress)

    def float_map(self) -> float:
        """Return the measure of the ONNX in onnxruntime."""
        return measured(self.request.model, self.plan.labelled, self._told, progress=self.progress)

    @property
    def _told(self) -> dict[str, Any]:
        return {"names": self.request.names, "anchors": self.request.anchors}

    def compare(self) -> Sequence[LayerError]:
        """Return what each layer loses by the first recipe."""
        dataset, calibration = self.sets.of(few=True)
        request = replace(self.request, dataset=dataset, options=BuildOptions(algorithm="mean"))
        return analyze(request, calibration=calibration, progress=self.progress).errors

    def of(self, recipe: Recipe, floating: float) -> Trial:
        """Build by a recipe, and measure what was built."""
        dataset, calibration = self.sets.of(few=recipe.few)
        trial = trial_of(recipe.name, recipe.options, calibration=calibration.arrays.images)
        request = replace(self.request, dataset=dataset, options=recipe.options)

        def measure(session: ServedSession, plan: BuildPlan) -> float:
            assert plan.metadata is not None
            backend = SessionBackend(session, plan.metadata)
            return measured(request.model, self.plan.labelled, self._told, backends=[backend], progress=self.progress)

        trial, found = simulated(trial, request, measure, calibration=calibration, progress=self.progress)
        return trial if found is None else replace(trial, map=found, drop=100 * (floating - found))
