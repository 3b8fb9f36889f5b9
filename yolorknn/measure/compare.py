"""One model on the same inputs in several places: float, the simulator in fp16 and int8, a board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from yolorknn.convert.analyze import analyze
from yolorknn.convert.floating import open_floating
from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.recorded import repeated
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.convert.simulator import SimulatorSession
from yolorknn.convert.tables.layers import LayerError
from yolorknn.data.input_files import Scaling
from yolorknn.errors import ModelError
from yolorknn.files import writing
from yolorknn.measure.compare_inputs import Arrays, inputs_of
from yolorknn.measure.compare_report import Comparison, Parting
from yolorknn.measure.same_boxes import same_boxes
from yolorknn.model.interface import Interface
from yolorknn.model.platforms import Dtype, get_platform, this_platform
from yolorknn.predict.open_model import HERE, Place, open_sessions
from yolorknn.progress import Progress
from yolorknn.runtime.agreeing import LIMITS, Values, agreeing, cosine_of, paired
from yolorknn.runtime.laid import run_as_own
from yolorknn.runtime.session import Session
from yolorknn.scratch import temporary_folder
from yolorknn.tasks.known import why_no_detector

WORDS: Mapping[Dtype, str] = {"fp16": "fp16, simulator", "i8": "int8, simulator"}
TINY = 2.0**-14
"""float16's smallest normal number: scores of an image without objects are smaller, and their cosine says nothing."""
QUANTIZING = ("quantized_dtype", "quantized_hybrid_level", "auto_hybrid_cos_thresh", "auto_hybrid_euc_thresh")


@dataclass(frozen=True)
class _Where:
    """A place that the model is opened in."""

    label: str
    session: Session
    interface: Interface
    request: BuildRequest | None = None
    """Of a simulator, by which its layers can be analysed."""
    limit: float = LIMITS["i8"]

    def run(self, given: Arrays) -> Arrays:
        return run_as_own(self.session, self.interface, given)


def compare(
    model: Path,
    *,
    inputs: Sequence[str] = (),
    scaling: Scaling | None = None,
    dataset: Path | None = None,
    platform: str = "rk3588",
    place: Place = HERE,
    count: int = 8,
    progress: Progress | None = None,
) -> Comparison:
    """Run a model in float, in the simulator, and on the board that `place` names, and say how far they agree.

    Where a simulator's outputs part from the float model's, the toolkit's accuracy analysis says at which layer.

    Args:
        model: a .rknn with its source beside it, whose recorded build is repeated; or what that would be built from.
        inputs: files, see data.input_files; default is the calibration set, or numbers made up where there is none.
        scaling: of pictures among these.
        dataset: calibration set; default is that of the .rknn.
        platform: the chip, for what is no .rknn.
        place: a board attached to this PC, and the toolkit.
        count: how many inputs of the calibration set.
        progress: told the stages.

    Raises:
        ModelError: absent, broken, or its source is; or there is nothing to compare with.
        InputError, SourceError: the inputs are not the model's, or cannot be read.
        CalibrationError, BuildError: see SimulatorSession.
        BackendError: see DeviceSession.
    """
    generic = why_no_detector(model) is not None
    request = repeated(BuildRequest(model, platform, dataset=dataset, generic=generic, toolkit=place.toolkit))
    with ExitStack() as held:
        places = list(_opened(model, request, place, held, progress))
        given = inputs_of(request, places[0].interface.inputs, inputs, scaling=scaling, count=count, progress=progress)
        reference = open_floating(request, lambda: places[0].interface, held)
        if isinstance(reference, str):
            first, *others = places
            if not others:
                raise ModelError(
                    f"there is nothing to compare {model} with: {reference}, and it runs in one place only; build it "
                    "in int8 (--dataset), or give --device, to compare that with fp16"
                )
            told, expected = f"{first.label} ({reference})", [first.run(arrays) for arrays in given.sets]
        else:
            others, told = places, reference.told
            expected = [reference.run(given.normal.normalised(arrays)) for arrays in given.sets]
        found = {where.label: [where.run(arrays) for arrays in given.sets] for where in others}
    rows = [row for where in others for row in agreeing(where.label, expected, found[where.label])]
    metadata = next((w.session.metadata for w in places if isinstance(w.session, SimulatorSession)), None)
    boxes = [
        same_boxes(where.label, metadata, expected, found[where.label]) for where in others if metadata is not None
    ]
    alike = {row.place for row in boxes if row.same}
    partings = []
    for where in others:
        worst = None if where.label in alike else _worst(expected, found[where.label], where.limit)
        if worst is not None and where.request is not None:
            partings.append(_parting(where, given.sets[worst], progress))
    return Comparison(str(model), told, given.told, len(given.sets), tuple(rows), tuple(boxes), tuple(partings))


def _opened(
    model: Path, request: BuildRequest, place: Place, held: ExitStack, progress: Progress | None
) -> Iterator[_Where]:
    for dtype in get_platform(request.platform).dtypes[::-1]:
        variant = _variant(request, dtype)
        if variant is not None:
            simulator = held.enter_context(closing(SimulatorSession(variant, progress=progress)))
            yield _Where(WORDS[dtype], simulator, simulator.interface, variant, LIMITS[dtype])
    if place.remote or (this_platform() is not None and model.suffix.lower() == ".rknn"):
        interface, sessions = open_sessions(model, place, progress=progress)
        for session in sessions:
            held.enter_context(closing(session))
        yield _Where("board", sessions[0], interface)


def _variant(request: BuildRequest, dtype: Dtype) -> BuildRequest | None:
    """Return the request for a dtype; None where there is no such build: int8 without a calibration set."""
    if dtype == request.decided():
        return request
    if dtype == "i8" or request.quantized:
        return None
    options = request.options
    config = {name: value for name, value in options.config.items() if name not in QUANTIZING}
    plain = BuildOptions(
        optimization_level=options.optimization_level,
        batch=options.batch,
        custom_ops=options.custom_ops,
        config=config,
        load=options.load,
    )
    return replace(request, dtype=dtype, dataset=None, recorded=None, options=plain)


def _worst(expected: Sequence[Arrays], found: Sequence[Arrays], limit: float) -> int | None:
    """Return the input with the lowest cosine of an output, where that is below the limit."""
    lowest = [min(_telling(*pair) for pair in paired(*both)) for both in zip(expected, found, strict=True)]
    place = int(np.argmin(lowest))
    return place if lowest[place] < limit else None


def _telling(one: Values, other: Values) -> float:
    """Return the cosine, -1 where there is none, and 1 where all that differs is below what float16 can tell."""
    cosine = cosine_of(one, other)
    if cosine is None:
        return -1.0
    return 1.0 if float(np.abs(one - other).max(initial=0.0)) < TINY else cosine


def _parting(where: _Where, arrays: Arrays, progress: Progress | None) -> Parting:
    """Have the toolkit compare layer by layer, and return the first that is not what the float model's is."""
    assert where.request is not None
    with temporary_folder("compare") as folder:
        texts = []
        for number, (name, array) in enumerate(arrays.items()):
            path = folder / f"{number}.npy"
            with writing(path):
                np.save(path, array)
            texts.append(f"{name}={path}")
        analysis = analyze(where.request, inputs=texts, progress=progress)
    compared = [error for error in analysis.errors if error.note != "fused" and error.op != "Input"]
    first = next((error for error in compared if _lost(error, where.limit)), None)
    if first is None:
        first = min(compared, key=lambda error: error.entire_cosine or -1.0)
    return Parting(where.label, first.op, first.tensor, first.entire_cosine, first.single_cosine, first.note)


def _lost(error: LayerError, limit: float) -> bool:
    return error.entire_cosine is None or error.entire_cosine < limit
