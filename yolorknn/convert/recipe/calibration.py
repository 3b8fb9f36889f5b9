"""Calibration: a calibration set as arrays, and what was observed on it, which builds of one model share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolorknn.convert.recipe.ranges import Observed, observe, some
from yolorknn.data.calibration_set import Letterboxed
from yolorknn.files import sha256


class Calibration:
    """What detectors' builds calibrate with.

    Args:
        arrays: the calibration set, letterboxed.

    Attributes:
        arrays: see above.
    """

    def __init__(self, arrays: Letterboxed) -> None:
        self.arrays = arrays
        self._observed: dict[tuple[object, ...], Observed] = {}

    def observed(
        self, onnx: Path, *, mean: Sequence[float], std: Sequence[float], places: Sequence[str] = ()
    ) -> Observed:
        """Return the extremes of a model's tensors on some of the images; each model is run once.

        Args:
            onnx: the model, of standard ops.
            mean: the network sees (pixel - mean) / std.
            std: see mean.
            places: the outputs that say where things are.
        """
        key = sha256(onnx), tuple(mean), tuple(std), tuple(places)
        if key not in self._observed:
            self._observed[key] = observe(onnx, some(self.arrays.listing), mean=mean, std=std, places=places)
        return self._observed[key]
