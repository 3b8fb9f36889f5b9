"""The gate: build int8, measure what it costs in mAP on images kept apart, and try the next recipe if that is too much.

Drops are in points of mAP50-95: 0.5 is from 0.476 to 0.471.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import Outcome, build_as
from yolorknn.convert.recipe.attention import attention_blocks
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.simulator import served
from yolorknn.convert.tables.estimate import estimate
from yolorknn.convert.tables.layers import LayerError, parse_layers
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import AccuracyError, BuildError, ModelError
from yolorknn.files import check_folder, write_bytes
from yolorknn.measure.gate_plan import CalibrationSets, GatePlan
from yolorknn.measure.gate_report import GateReport, Trial, passing
from yolorknn.measure.recipes import Recipe, recipes
from yolorknn.measure.val import measuring, validate_detector
from yolorknn.model.platforms import get_platform
from yolorknn.model.read import read_file
from yolorknn.progress import Progress
from yolorknn.runtime.backend import SessionBackend
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import metadata_of, task_of


def build_within(
    request: BuildRequest,
    plan: GatePlan,
    *,
    max_drop: float,
    mmse: bool = False,
    output: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, GateReport]:
    """Build NAME-PLATFORM-i8.rknn by the first recipe that loses at most `max_drop`, with a report (.accuracy.json).

    Where none is good enough, the report is NAME.rejected.json, and an earlier result stays as it is.

    Args:
        request: the ONNX, the platform and the names; the rest is the gate's to choose.
        plan: what to calibrate with and to measure on.
        max_drop: points of mAP50-95 that int8 may lose.
        mmse: try mmse too.
        output: folder; default is the ONNX's.
        progress: told the stages.

    Returns:
        Path of the .rknn, and the report.

    Raises:
        AccuracyError: no recipe is good enough; the best is named, and no .rknn is written.
        DatasetError: an image cannot be used.
        ModelError: see build(); or the platform runs no int8.
    """
    chip = get_platform(request.platform)
    if "i8" not in chip.dtypes:
        raise ModelError(f"{chip.name} runs fp16 models only: there is no int8 to measure")
    request = replace(request, platform=chip.name, dtype="i8")
    folder = output or request.model.parent
    check_folder(folder)
    name = f"{request.model.stem}-{chip.name}-i8"
    accuracy, rejected = folder / f"{name}.accuracy.json", folder / f"{name}.rejected.json"
    with temporary_folder("gate") as scratch:  # an earlier result stays while we try
        metadata = metadata_of(read_file(request.model), names=request.names)
        canvas = task_of(metadata).canvas(metadata.imgsz)
        sets = CalibrationSets(plan, scratch, canvas=canvas, colour=metadata.colour, progress=progress)
        trials = _Trials(request, plan, sets, progress)
        report = GateReport(
            model=request.model.name,
            platform=chip.name,
            data=str(plan.data),
            measured=len(plan.labelled.images),
            float_map=trials.float_map(),
            max_drop=max_drop,
            trials=(),
            chosen=None,
        )
        attention = attention_blocks(request.model)
        float16 = "fp16" in chip.dtypes
        begun = time.monotonic()
        offsets = tuple(output.name for output in metadata.outputs if output.role == "keypoints")
        tried = recipes(
            trials.compare, attention=attention, offsets=offsets, more=plan.more, float16=float16, mmse=mmse
        )
        for recipe in tried:
            trial = trials.of(recipe, report.float_map)
            now = time.monotonic()
            report = replace(report, trials=(*report.trials, replace(trial, seconds=round(now - begun, 1))))
            begun = now
            if passed := passing(report.trials, max_drop):
                report = replace(report, chosen=passed.recipe)
                break
        if report.chosen is None:
            write_bytes(rejected, json.dumps(report.to_json(), indent=2).encode())
            earlier = folder / f"{name}.rknn"
            kept = f"; {earlier} is of an earlier build" if earlier.exists() else ""
            raise AccuracyError(
                f"{report.why} (all of them: {rejected}): calibrate with more, or more typical, images (--dataset), "
                f"allow a larger --max-drop, or build --dtype fp16{kept}",
                table=report.table(),
            )
        dataset, calibration = sets.of(few=recipe.few)
        if not plan.own:
            listing = folder / f"{name}.calibration.txt"
            write_bytes(listing, dataset.read_bytes())
            dataset = listing
        request = replace(request, dataset=dataset, options=recipe.options)
        rknn = build_as(
            request,
            Outcome.of(request, folder),
            calibration=calibration,
            accuracy=report.summary(),
            progress=progress,
        )
    last = replace(report.trials[-1], size=rknn.stat().st_size)  # with metadata, some bytes more
    report = replace(report, trials=(*report.trials[:-1], last))
    write_bytes(accuracy, json.dumps(report.to_json(), indent=2).encode())
    rejected.unlink(missing_ok=True)
    return rknn, report


@dataclass(frozen=True)
class _Trials:
    """Recipes tried, and what they share."""

    request: BuildRequest
    plan: GatePlan
    sets: CalibrationSets
    progress: Progress | None

    def float_map(self) -> float:
        """Return mAP50-95 of the ONNX in onnxruntime."""
        with measuring(self.request.model, names=self.request.names) as detector:
            return validate_detector(detector, self.request.model, self.plan.labelled, self.progress).map

    def compare(self) -> Sequence[LayerError]:
        """Return what each layer loses by the first recipe."""
        dataset, calibration = self.sets.of(few=True)
        request = replace(self.request, dataset=dataset, options=BuildOptions(algorithm="mean"))
        return analyze(request, calibration=calibration, progress=self.progress).errors

    def of(self, recipe: Recipe, floating: float) -> Trial:
        """Build by a recipe, and measure what was built."""
        options = recipe.options
        recorded = {"algorithm": options.algorithm, "method": options.method, **options.recorded()}
        dataset, calibration = self.sets.of(few=recipe.few)
        trial = Trial(recipe.name, recorded, calibration.arrays.images)
        request = replace(self.request, dataset=dataset, options=options)
        with temporary_folder("gate") as folder:
            log = Log(folder / "build.log")
            try:
                with (
                    planned(request, calibration=calibration, progress=self.progress) as plan,
                    Toolkit(log, progress=self.progress) as toolkit,
                ):
                    rknn = built(toolkit, plan, verbose=True)
                    file = plan.scratch / "model.rknn"
                    rknn.do("export_rknn", export_path=file)
                    rknn.do("init_runtime")
                    toolkit.check()
                    speed = estimate(parse_layers(log.text()), plan.platform)
                    size = file.stat().st_size
                    assert plan.metadata is not None
                    backend = SessionBackend(served(rknn, plan), plan.metadata)
                    with measuring(request.model, names=request.names, backends=[backend]) as detector:
                        found = validate_detector(detector, request.model, self.plan.labelled, self.progress)
            except BuildError as exc:
                return replace(trial, refused=str(exc).partition(" (log: ")[0])
        ms = speed.ms if speed.ms is not None else (speed.low_ms + speed.high_ms) / 2
        return replace(trial, map=found.map, drop=100 * (floating - found.map), size=size, ms=ms)
