""".onnx -> .rknn for RV1109, RV1126, RK1808, RK1806 and RK3399Pro, by rknn-toolkit 1.7 in a Python of the user's."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from yolorknn.convert.alone import alone
from yolorknn.convert.first.codegen import check_codegen, write_codegen
from yolorknn.convert.first.plan import LABELS, FirstPlan, FirstRequest, first_planned
from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.toolkit import Rknn, Toolkit
from yolorknn.errors import BuildError
from yolorknn.files import check_folder, write_bytes
from yolorknn.progress import Progress
from yolorknn.toolkits.first import FirstToolkit, choose_first

_logger = logging.getLogger(__name__)

NAME = "rknn-toolkit 1.7"
MINI = ("rv1109", "rv1126")
"""Chips whose usual images have the vendor's mini driver, which takes pre-compiled models only."""


def build_first(
    request: FirstRequest,
    *,
    python: Path | None = None,
    precompile: bool | None = None,
    codegen: bool = False,
    output: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Build NAME-PLATFORM-u8.rknn, or -fp16, with its metadata in a .json and the vendor's output in a .log beside it.

    Args:
        request: what to build.
        python: the interpreter that has rknn-toolkit 1.7; default is one that is found.
        precompile: whether the NPU's own code is compiled here, as a board with the mini driver needs; default is for
            RV1109 and RV1126, where the toolkit can.
        codegen: write a program in C++ too, in the folder NAME-cpp.
        output: folder; default is the model's.
        progress: told the stages.

    Returns:
        Path of the .rknn.

    Raises:
        ModelError, CalibrationError: see first_planned().
        BuildError: this toolkit cannot, or failed; the log is named.
        MissingDependencyError: there is no such toolkit.
        OutputError: the folder cannot be written.
    """
    dtype, toolkit = request.decided(), choose_first(python)
    if precompile and not toolkit.works_on_pc:
        raise BuildError(
            f"rknn-toolkit {toolkit.version} does not pre-compile on a PC: build without --pre-compile, and then have "
            "a board do it, with 'yolorknn precompile MODEL.rknn --device', or use 1.7.3"
        )
    compiled = precompile if precompile is not None else request.platform in MINI and toolkit.works_on_pc
    folder = output or request.model.parent
    check_folder(folder)
    target = folder / f"{request.model.stem}-{request.platform}-{LABELS[dtype]}.rknn"
    log, example = Log(target.with_suffix(".log")), target.with_name(f"{target.stem}-cpp")
    with first_planned(request, toolkit, progress=progress) as plan, alone(target):
        if codegen:
            check_codegen(plan.metadata, example)
        with Toolkit(log, python=toolkit.python, progress=progress, name=NAME) as child:
            rknn = first_built(child, plan, toolkit, precompile=compiled)
            made = plan.scratch / "model.rknn"
            rknn.do("export_rknn", export_path=made)
            child.check()
            child.check_written(made)
        metadata = replace(plan.metadata, source=os.path.relpath(request.model, folder))
        if codegen:
            write_codegen(metadata, example)
        write_bytes(target.with_suffix(".json"), metadata.to_json().encode())
        write_bytes(target, made.read_bytes())
    if request.platform in MINI and not compiled:
        _logger.warning(
            "%s is not pre-compiled: a board with the vendor's mini driver refuses it (rknn_init returns -14); "
            "'yolorknn precompile %s --device' has a board with the full driver do it",
            *(target, target),
        )
    return target


def first_built(child: Toolkit, plan: FirstPlan, toolkit: FirstToolkit, *, precompile: bool = False) -> Rknn:
    """Return an RKNN that has built the model.

    Raises:
        BuildError: a call failed.
    """
    rknn = child.rknn()
    rknn.do("config", **plan.configuration())
    rknn.do("load_onnx", model=plan.model)
    arguments = {"do_quantization": plan.calibration is not None, "dataset": plan.calibration}
    # the newest has no such parameter
    rknn.do("build", **arguments, **({"pre_compile": precompile} if toolkit.works_on_pc else {}))
    return rknn
