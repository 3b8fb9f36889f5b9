"""The gate of --max-drop for a model that is no detector: recipes tried until int8 agrees enough, or is good enough."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from yolorknn.convert.analyze import analyze
from yolorknn.convert.build import Outcome, build_as
from yolorknn.convert.floating import open_floating
from yolorknn.convert.recipe.generic import checked_digest
from yolorknn.convert.recipe.listing import rows_of
from yolorknn.convert.recipe.normal import normal_of
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.served import ServedSession
from yolorknn.convert.simulator import SimulatorSession
from yolorknn.convert.tables.layers import LayerError
from yolorknn.data.input_files import read_row
from yolorknn.errors import BuildError, CalibrationError, ModelError
from yolorknn.files import check_folder, is_file, sha256
from yolorknn.measure.gate_report import GateReport, Trial
from yolorknn.measure.metric import AGREEMENT, Metric, Outputs, agreeing, read_metric
from yolorknn.measure.recipes import Recipe, recipes_of_any
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
from yolorknn.model.interface import Interface
from yolorknn.progress import Progress
from yolorknn.runtime.laid import run_as_own
from yolorknn.text import reason_of
from yolorknn.toolkits.installed import choose


def build_any_within(
    request: BuildRequest,
    data: Path,
    *,
    max_drop: float,
    metric: str | None = None,
    mmse: bool = False,
    output: Path | None = None,
    spread: Spread | None = None,
    progress: Progress | None = None,
) -> tuple[Path, GateReport]:
    """Build NAME-PLATFORM-i8.rknn by the first recipe that loses at most `max_drop`, with a report (.accuracy.json).

    Args:
        request: an .onnx or TorchScript, taken as it is, platform, calibration set, and options that do not quantize.
        data: a folder or list as the calibration set is one, of other files, to measure on.
        max_drop: points that int8 may lose, of `metric`, or of agreement with the float model; a point is 0.01.
        metric: see read_metric().
        mmse: try mmse too.
        output: folder; default is the model's.
        spread: try recipes side by side on its workers; what is measured and built is the same.
        progress: told the stages.

    Raises:
        AccuracyError: no recipe is good enough; the best is named, and no .rknn is written.
        BuildError: the metric is none, or gave no number, or 0 of the float model.
        CalibrationError: there is no calibration set, or it has files of `data`.
        ModelError: see build(); nothing here runs it in float, or the platform runs no int8.
    """
    chip = int8_platform(request.platform)
    if not isinstance(request.dataset, Path):
        raise CalibrationError("int8 needs a calibration set beside the files to measure on: pass --dataset")
    rows = rows_of(data)
    calibrating = rows_of(request.dataset)
    known, contents = {path.resolve() for row in calibrating for path in row}, set(map(_content, calibrating))
    request = replace(request, platform=chip.name, dtype="i8", sha256=_digest(request))
    if common := [path for row in rows for path in row if path.resolve() in known]:
        raise CalibrationError(
            f"{common[0]} is in {request.dataset} and in {data}: measure on files not calibrated with"
        )
    if copy := next((row[0] for row in rows if _content(row) in contents), None):
        raise CalibrationError(f"{copy} is a copy of one in {request.dataset}: measure on files not calibrated with")
    folder = output or request.model.parent
    check_folder(folder)
    files = ReportFiles(folder, f"{request.model.stem}-{chip.name}-i8")
    gate = _Gate(request, rows, read_metric(metric) if metric else None, progress)
    floating = gate.floating()
    best = gate.score(floating, floating)
    if best == 0:
        raise BuildError(
            f"the float model itself has 0 of {metric or AGREEMENT} on {len(rows)} files of {data}, so that no loss "
            "would show: give files that it knows, and a metric that is 1 at best"
        )
    report = GateReport(
        model=request.model.name,
        platform=chip.name,
        data=str(data),
        measured=len(rows),
        float_map=best,
        max_drop=max_drop,
        trials=(),
        chosen=None,
        measure=metric or AGREEMENT,
    )
    rounds = recipes_of_any(gate.compare, request.options, float16="fp16" in chip.dtypes, mmse=mmse)
    scored = partial(gate.scored, floating=floating, best=best)
    with closing(gate.tried(rounds, scored, spread)) as tried:
        report, recipe = until_passing(report, tried)
    if recipe is None:
        raise files.reject(report, measured="files")
    chosen = replace(request, options=recipe.options)
    rknn = build_as(chosen, Outcome.of(chosen, folder), accuracy=report.summary(), progress=progress)
    files.accept(report)
    return rknn, report


def _content(row: Sequence[Path]) -> str:
    try:
        return sha256(*row)
    except OSError as exc:
        raise CalibrationError(f"cannot read {exc.filename or row[0]}: {reason_of(exc)}") from exc


def _digest(request: BuildRequest) -> str | None:
    """Return the digest that the model has to have for all recipes; what is absent is told where it is read."""
    return checked_digest(request) if is_file(request.model) else None


Ran = tuple[Trial, tuple[Outputs, int] | None]
"""A trial that is still to be scored, and what the model gave for each row, with how many were calibrated with; None
where the toolkit refused."""


@dataclass(frozen=True)
class _Gate:
    """What the trials share."""

    request: BuildRequest
    rows: list[list[Path]]
    metric: Metric | None
    progress: Progress | None

    def compare(self) -> Sequence[LayerError]:
        """Return what each layer loses by the first recipe."""
        normal = replace(self.request, options=replace(self.request.options, algorithm="normal"))
        return analyze(normal, progress=self.progress).errors

    def floating(self) -> Outputs:
        """Return what the float model gives for each row."""
        with ExitStack() as held:
            model = open_floating(self.request, self._interface, held)
            if isinstance(model, str):
                hint = ": export it to ONNX" * (self.request.model.suffix.lower() != ".onnx")
                raise ModelError(f"--max-drop compares with the float model, and {model}{hint}")
            own = model.interface
            normal = normal_of(self.request.options.config, own.inputs)
            return [model.run(normal.normalised(read_row(row, own.inputs))) for row in self.rows]

    def _interface(self) -> Interface:
        """Return that of what is built, of a model whose file does not say it."""
        normal = replace(self.request, options=replace(self.request.options, algorithm="normal"))
        with closing(SimulatorSession(normal, progress=self.progress)) as session:
            return session.interface

    def score(self, floating: Outputs, found: Outputs) -> float:
        """Return how good outputs are.

        Raises:
            BuildError: the metric gave no number.
        """
        if self.metric is None:
            return float(np.mean([agreeing(one, other) for one, other in zip(floating, found, strict=True)]))
        value = self.metric(found, [tuple(row) for row in self.rows])
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number):
            raise BuildError(f"the metric gave {value!r}, which is no number")
        return number

    def tried(
        self, rounds: Iterable[Iterable[Recipe]], scored: Callable[[Ran], Trial], spread: Spread | None
    ) -> Generator[tuple[Recipe, Trial], None, None]:
        """Yield recipes with their trials."""
        if spread is None:
            yield from in_turn(rounds, lambda recipe: scored(self.ran(recipe)))
            return
        request = replace(self.request, toolkit=choose(self.request.toolkit).version)  # the same everywhere
        there = _Elsewhere(spread.carried(request.model), request, self.rows)
        with closing(side_by_side(rounds, spread, there, request.model.name, self.progress)) as found:
            for recipe, ran in found:
                yield recipe, scored(ran)

    def ran(self, recipe: Recipe) -> Ran:
        """Build by a recipe, and run what was built."""
        request = replace(self.request, options=recipe.options)

        def run(session: ServedSession, plan: BuildPlan) -> tuple[Outputs, int]:
            own = session.interface
            found = [run_as_own(session, own, read_row(row, own.inputs)) for row in self.rows]
            return found, plan.build.images

        return simulated(trial_of(recipe.name, recipe.options), request, run, progress=self.progress)

    def scored(self, ran: Ran, *, floating: Outputs, best: float) -> Trial:
        """Return the trial of what ran, with how good it is."""
        trial, found = ran
        if found is None:
            return trial
        value = self.score(floating, found[0])
        return replace(trial, map=value, drop=100 * (best - value), calibration=found[1])


@dataclass(frozen=True)
class _Elsewhere:
    """What a worker is sent to try recipes; see spread.Opening."""

    model: Callable[[], Path]
    request: BuildRequest
    rows: list[list[Path]]

    @contextmanager
    def __call__(self, _: object) -> Iterator[Callable[[Recipe], Ran]]:
        yield _Gate(replace(self.request, model=self.model()), self.rows, None, None).ran
