"""How a gate goes through its recipes, whatever it measures: built and simulated, reported on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.calibration import Calibration
from yolorknn.convert.recipe.plan import BuildPlan
from yolorknn.convert.recipe.planned import planned
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.recipe.steps import built
from yolorknn.convert.served import ServedSession
from yolorknn.convert.simulator import served
from yolorknn.convert.tables.estimate import estimate, on_npu
from yolorknn.convert.tables.layers import parse_layers
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Toolkit
from yolorknn.errors import AccuracyError, BuildError, ModelError
from yolorknn.files import write_bytes
from yolorknn.measure.gate_report import GateReport, Trial, passing
from yolorknn.measure.spread import Opening, Spread
from yolorknn.model.platforms import Platform, get_platform
from yolorknn.progress import Progress
from yolorknn.scratch import temporary_folder

R = TypeVar("R")
T = TypeVar("T")


def int8_platform(name: str) -> Platform:
    """Return the chip that a gate is asked for.

    Raises:
        ModelError: it is unknown, or runs no int8.
    """
    chip = get_platform(name)
    if "i8" not in chip.dtypes:
        raise ModelError(f"{chip.name} runs fp16 models only: there is no int8 to measure")
    return chip


@dataclass(frozen=True)
class ReportFiles:
    """Where the report goes: beside the .rknn that is built, or, where none is, beside an earlier one."""

    folder: Path
    name: str

    @property
    def accuracy(self) -> Path:
        """The report on a model that is built."""
        return self.folder / f"{self.name}.accuracy.json"

    @property
    def rejected(self) -> Path:
        """The report where no recipe passed."""
        return self.folder / f"{self.name}.rejected.json"

    def accept(self, report: GateReport) -> None:
        """Write the report on what was built.

        Raises:
            OutputError: it cannot be written.
        """
        write_bytes(self.accuracy, _text(report))
        self.rejected.unlink(missing_ok=True)

    def reject(self, report: GateReport, *, measured: str) -> AccuracyError:
        """Write the report on what was tried in vain, and return the error to raise; `measured` are images or files.

        Raises:
            OutputError: it cannot be written.
        """
        write_bytes(self.rejected, _text(report))
        earlier = self.folder / f"{self.name}.rknn"
        kept = f"; {earlier} is of an earlier build" if earlier.exists() else ""
        return AccuracyError(
            f"{report.why} (all of them: {self.rejected}): calibrate with more, or more typical, {measured} "
            f"(--dataset), allow a larger --max-drop, or build --dtype fp16{kept}",
            table=report.table(),
        )


def _text(report: GateReport) -> bytes:
    return json.dumps(report.to_json(), indent=2).encode()


def until_passing(report: GateReport, tried: Iterable[tuple[R, Trial]]) -> tuple[GateReport, R | None]:
    """Take trial after trial until one loses no more than the report's max_drop.

    Args:
        report: without trials.
        tried: recipes with their trials, in order; see in_turn() and side_by_side().

    Returns:
        The report with the trials, and the recipe that passed; None where none did.
    """
    for recipe, trial in tried:
        report = replace(report, trials=(*report.trials, trial))
        if passed := passing(report.trials, report.max_drop):
            return replace(report, chosen=passed.recipe), recipe
    return report, None


def in_turn(rounds: Iterable[Iterable[R]], trial: Callable[[R], Trial]) -> Iterator[tuple[R, Trial]]:
    """Try recipe after recipe, each when it is asked for."""
    begun = time.monotonic()
    for recipe in chain.from_iterable(rounds):
        tried = trial(recipe)
        now = time.monotonic()
        yield recipe, replace(tried, seconds=round(now - begun, 1))
        begun = now


def side_by_side(
    rounds: Iterable[Iterable[R]],
    spread: Spread,
    opening: Opening[R, T],
    model: str,
    progress: Progress | None,
) -> Generator[tuple[R, T], None, None]:
    """Try the recipes of each round side by side; closed, those that are under way end.

    Args:
        rounds: see recipes().
        spread: where they are tried.
        opening: gives a worker what tries one.
        model: the name of the file.
        progress: told how many are done.

    Yields:
        Each recipe with what came of it, in order: one that was faster waits for those before it.
    """
    for each in rounds:
        recipes, known, given = list(each), dict[int, T](), 0
        if not recipes:
            continue
        with closing(spread.work(opening, recipes, model=model, simulate=True)) as results:
            for number, result in results:
                known[number] = result
                if progress:
                    progress(f"{len(recipes)} recipes side by side", (given + len(known)) / len(recipes))
                while given in known:
                    yield recipes[given], known.pop(given)
                    given += 1


def trial_of(recipe: str, options: BuildOptions, *, calibration: int = 0) -> Trial:
    """Return the trial of a recipe that is still to be measured."""
    recorded = {"algorithm": options.algorithm, "method": options.method, **options.recorded()}
    return Trial(recipe, recorded, calibration)


def simulated(
    trial: Trial,
    request: BuildRequest,
    run: Callable[[ServedSession, BuildPlan], T],
    *,
    calibration: Calibration | None = None,
    progress: Progress | None,
) -> tuple[Trial, T | None]:
    """Build what is requested, and run it on the simulator.

    Args:
        trial: of the recipe.
        request: with its options.
        run: gives what is to be measured.
        calibration: what the request's dataset is as arrays, where builds share it.
        progress: told the stages.

    Returns:
        The trial with size, speed and seconds, and what `run` gave; or with why the toolkit refused, and None.
    """
    begun = time.monotonic()
    with temporary_folder("gate") as folder:
        log = Log(folder / "build.log")
        try:
            with (
                planned(request, calibration=calibration, progress=progress) as plan,
                Toolkit(log, python=plan.toolkit.python, progress=progress) as toolkit,
            ):
                rknn = built(toolkit, plan, verbose=True)
                file = plan.scratch / "model.rknn"
                rknn.do("export_rknn", export_path=file)
                session = served(rknn, plan)
                rknn.do("init_runtime")
                toolkit.check()
                layers, size = parse_layers(log.text()), file.stat().st_size
                found = run(session, plan)
        except BuildError as exc:
            seconds = round(time.monotonic() - begun, 1)
            return replace(trial, refused=str(exc).partition(" (log: ")[0], seconds=seconds), None
    speed = estimate(layers, plan.platform) if on_npu(layers) else None
    ms = 0.0 if speed is None else speed.ms if speed.ms is not None else (speed.low_ms + speed.high_ms) / 2
    return replace(trial, size=size, ms=ms, seconds=round(time.monotonic() - begun, 1)), found
