"""What the gate tried and measured, and which trial it takes: pure functions of the numbers.

Drops are in points of mAP50-95, or of a classifier's top-1: 0.5 is from 0.476 to 0.471.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from yolorknn.text import printable

ENOUGH = 200
"""Images to measure with, below which the table says that they are few: 64 of COCO's gave drops 2 points apart."""
OF_IMAGES = ("mAP50-95", "top-1")
"""Measures of what is shown images; others are of inputs of any kind."""


@dataclass(frozen=True)
class Trial:
    """One recipe, and what it cost."""

    recipe: str
    options: dict[str, Any]
    calibration: int
    """Images calibrated with."""
    map: float | None = None
    """The measure of the simulated model; None where rknn-toolkit2 refused the recipe."""
    drop: float | None = None
    """Points below float; negative where int8 is the better by chance."""
    size: int = 0
    """Bytes of the .rknn."""
    ms: float = 0.0
    """Estimated per frame on one NPU core: the likely, or the middle of the range where there is none."""
    refused: str = ""
    """Why there is no number."""
    seconds: float = 0.0
    """How long it took to build and measure, and to find the layers for float16 where it was the first to need them."""


def passing(trials: Sequence[Trial], max_drop: float) -> Trial | None:
    """Return the first trial that loses at most `max_drop` points."""
    return next((trial for trial in trials if trial.drop is not None and trial.drop <= max_drop), None)


def best(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial that loses least; of equals the smaller, then the earlier."""
    measured = [trial for trial in trials if trial.drop is not None]
    return min(measured, key=lambda trial: (trial.drop, trial.size), default=None)


@dataclass(frozen=True)
class GateReport:
    """What was tried, and what came of it."""

    model: str
    platform: str
    data: str
    measured: int
    """Images to measure with, none of them calibrated with."""
    float_map: float
    """The measure of the ONNX in onnxruntime."""
    max_drop: float
    trials: tuple[Trial, ...]
    chosen: str | None
    """The recipe of the .rknn; None where none passed."""
    measure: str = "mAP50-95"
    """What `map`, and the drops in points, are of; of a classifier "top-1", of no detector a metric's name."""

    @property
    def why(self) -> str:
        """One sentence on the choice."""
        if self.chosen:
            return (
                f"'{self.chosen}' is the first recipe to lose at most {self.max_drop:g} points; the cheaper come first"
            )
        nearest = best(self.trials)
        if nearest is None:
            return f"rknn-toolkit2 refused all {len(self.trials)} recipes: {self.trials[-1].refused}"
        return (
            f"none of {len(self.trials)} recipes loses at most {self.max_drop:g} points of {self.measure} on "
            f"{self._on}; the best, '{nearest.recipe}', loses {nearest.drop:.2f}"
        )

    @property
    def _on(self) -> str:
        return f"{self.measured} {'images' if self.measure in OF_IMAGES else 'inputs'}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **asdict(self),
            "why": self.why,
            "unit": f"drop and max_drop: points of {self.measure}, 1 point is 0.01",
        }

    def summary(self) -> dict[str, Any]:
        """Return what a .rknn carries: of each recipe the drop, size in MB and estimated ms; empty where refused."""
        trials = {
            trial.recipe: []
            if trial.drop is None
            else [round(trial.drop, 2), round(trial.size / 1e6, 1), round(trial.ms, 1)]
            for trial in self.trials
        }
        said = {"float": round(self.float_map, 4), "images": self.measured, "max_drop": self.max_drop, "trials": trials}
        return said if self.measure == "mAP50-95" else {"measure": self.measure, **said}

    def table(self) -> str:
        """Return the trials as text."""
        measure, width = printable(self.measure), max(len(trial.recipe) for trial in self.trials)
        points = max(8, len(measure))
        lines = [
            f"{printable(self.model)} for {self.platform}: float {100 * self.float_map:.2f} points of {measure} "
            f"on {self._on} of {printable(self.data)}",
            f"{'recipe':<{width}} {'calibrated on':>13} {measure:>{points}} {'drop':>6} {'MB':>6} "
            f"{'ms, estimated':>13} {'took, s':>7}",
        ]
        for trial in self.trials:
            if trial.map is None:
                lines.append(f"{trial.recipe:<{width}} refused: {trial.refused}")
                continue
            mark = "  <- chosen" if trial.recipe == self.chosen else ""
            lines.append(
                f"{trial.recipe:<{width}} {trial.calibration:>13} {100 * trial.map:>{points}.2f} {trial.drop:>6.2f} "
                f"{trial.size / 1e6:>6.2f} {trial.ms:>13.1f} {trial.seconds:>7.1f}{mark}"
            )
        if self.measure in OF_IMAGES and 100 * self.float_map <= self.max_drop:
            lines.append(f"float itself has no more than {self.max_drop:g} points: int8 that finds nothing would pass")
        if self.measured < ENOUGH:
            lines.append(f"{self._on} are few: a point or two may be chance; measure on some hundred")
        return "\n".join([*lines, self.why] if self.chosen else lines)
