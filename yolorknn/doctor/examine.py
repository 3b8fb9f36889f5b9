"""The doctor: what on this machine keeps yolorknn from working, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yolorknn.doctor.board import check_board, is_board
from yolorknn.doctor.machine import Finding, Machine
from yolorknn.doctor.pc import check_pc
from yolorknn.errors import BackendError, ModelError, YolorknnError
from yolorknn.model.first_file import first_metadata
from yolorknn.model.read import read_file
from yolorknn.model.rknn_file import RknnFile
from yolorknn.tasks.known import metadata_of


def examine(machine: Machine | None = None, *, model: Path | None = None, opening: bool = True) -> list[Finding]:
    """Look at the machine, a board or a PC.

    Args:
        machine: by default, this one.
        model: a .rknn that is to run here; its platform and toolkit are compared with the board's.
        opening: whether the model is opened too, on every core, where nothing speaks against it.

    Returns:
        The findings, in the order in which they matter.

    Raises:
        ModelError: the model is absent, broken, or none that yolorknn knows.
    """
    machine = machine or Machine()
    if is_board(machine):
        return list(check_board(machine, model, opening=opening))
    return [*check_pc(machine), *([] if model is None else [_read_only(model)])]


def _read_only(model: Path) -> Finding:
    """Tell what can be said of a model on a PC."""
    if (first := first_metadata(model)) is not None and (build := first.build):
        made = f"built for {build.platform} by rknn-toolkit {build.toolkit}"
        return Finding("model", "ok", f"{model} can be read, {made}; it runs on such a board, or with --simulate")
    file = read_file(model)
    if not isinstance(file, RknnFile):
        with suppress(ModelError):  # which says that it is no detector: Runner takes it all the same
            metadata_of(file)
        return Finding("model", "ok", f"{model} can be read: onnxruntime runs it here")
    recorded = file.recorded() if file.generic else metadata_of(file)
    build = recorded.build if recorded else None
    made = (
        f"built for {build.platform} by rknn-toolkit2 {build.toolkit}" if build else "which does not say its platform"
    )
    check = f"'yolorknn doctor --model {model.name}' on the board compares it with what is there"
    return Finding("model", "ok", f"{model} can be read, {made}; it does not run here: {check}")


def explain(model: Path, machine: Machine | None = None) -> Finding | None:
    """Return the first problem that a board has with a model, for an error message; None on a PC."""
    machine = machine or Machine()
    if not is_board(machine):
        return None
    try:
        # Not opened again: that is no problem's cause, and takes a minute and more where the NPU hangs or is in use.
        findings = examine(machine, model=model, opening=False)
    except YolorknnError:  # the model itself, of which the caller's error tells
        findings = examine(machine)
    return next((finding for finding in findings if finding.status == "problem"), None)


@contextmanager
def diagnosed(model: Path) -> Iterator[None]:
    """Add to an error of a model on a board the doctor's finding that explains it."""
    try:
        yield
    except (ModelError, BackendError) as exc:
        if model.suffix.lower() == ".rknn" and (finding := explain(model)):
            exc.args = (f"{exc}; yolorknn doctor finds: {finding.text}: {finding.fix}",)
            exc.diagnosis = finding.text
        raise
