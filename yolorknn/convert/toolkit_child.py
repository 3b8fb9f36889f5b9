"""The process that talks to rknn-toolkit2, started by convert/toolkit.py: the vendor's code may abort it at any point.

stdout and stderr are the log file. Messages go over a socket: ("step", name), then ("done",) or ("failed", step,
reason); after ("done",) a serving process answers each image with ("outputs", arrays) or ("failed", ...).
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from yolorknn.convert import ranges
from yolorknn.convert.device_child import DeviceJob, run_on_device
from yolorknn.convert.recipe import BuildOptions
from yolorknn.platforms import Dtype


@dataclass(frozen=True)
class Job:
    """One build, from load to export, perhaps followed by simulation. Paths are absolute and free of spaces."""

    onnx: str
    """Or the file of a generic model."""
    platform: str
    dtype: Dtype
    mean: tuple[float, ...] | None
    """None for a generic model, whose options may hold mean_values."""
    std: tuple[float, ...] | None
    dataset: str | None = None
    options: BuildOptions = field(default_factory=BuildOptions)
    custom_softmax: bool = False
    custom_string: str | None = None
    loader: str = "load_onnx"
    load: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the loader; none stands for the ONNX as it is."""
    export: str | None = None
    encrypted: str | None = None
    """Where to write the encrypted model too."""
    crypt_level: int = 1
    codegen: str | None = None
    """Folder for the vendor's C++ example."""
    serve: bool = False
    verbose: bool = False
    """Print the layer table, and leave check*.onnx in the working directory."""
    analyze: str | None = None
    """An input (.npy): compare every layer with the float model's on it, into ANALYSIS below the working folder."""


ANALYSIS = "analysis"


def configuration(job: Job) -> dict[str, Any]:
    """Return the arguments of RKNN.config()."""
    settings: dict[str, Any] = {
        "target_platform": job.platform,
        "optimization_level": job.options.optimization_level,
        **job.options.config,
    }
    if job.mean is not None and job.std is not None:
        settings = {"mean_values": [list(job.mean)], "std_values": [list(job.std)], **settings}
    if job.custom_string is not None:
        settings["custom_string"] = job.custom_string
    if job.dtype == "i8":
        algorithm = "normal" if job.options.algorithm in ("mean", "auto") else job.options.algorithm
        settings |= {"quantized_algorithm": algorithm, "quantized_method": job.options.method}
    return settings


def loading(job: Job) -> dict[str, Any]:
    """Return the arguments of the loader."""
    arguments = dict(job.load) or {"model": job.onnx}
    if "input_initial_val" in arguments:
        arguments["input_initial_val"] = [np.array(value, np.float32) for value in arguments["input_initial_val"]]
    return arguments


class StepFailed(Exception):
    """A call returned another code than 0."""


def exporting(job: Job) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the calls after the build, and their arguments."""
    if job.export is not None:
        yield "export_rknn", {"export_path": job.export}
    if job.encrypted is not None:
        paths = {"input_model": job.export, "output_model": job.encrypted}
        yield "export_encrypted_rknn_model", {**paths, "crypt_level": job.crypt_level}
    if job.codegen is not None:
        yield "codegen", {"output_path": job.codegen}


def keep_float16(tensors: tuple[str, ...]) -> dict[str, str]:
    """Add tensors to the float16 layers in the .cfg that hybrid_quantization_step1 left in the working directory.

    Returns:
        The files it left, as arguments of hybrid_quantization_step2.

    Raises:
        StepFailed: a tensor is not in the toolkit's graph.
    """
    (cfg,) = Path().glob("*.quantization.cfg")
    name = cfg.name.removesuffix(".quantization.cfg")
    layers, _, parameters = cfg.read_text().partition("quantize_parameters:")
    known = re.findall(r"^ {4}(\S.*):$", parameters, re.MULTILINE)
    for tensor in tensors:
        if tensor not in known:
            near = difflib.get_close_matches(tensor, known, n=1, cutoff=0)
            raise StepFailed(f"the model has no tensor '{tensor}' to keep in float16: the nearest name is '{near[0]}'")
    if tensors:
        layers = layers.replace("custom_quantize_layers: {}", "custom_quantize_layers:")
        layers += "".join(f"    {tensor}: float16\n" for tensor in tensors if f" {tensor}:" not in layers)
    cfg.write_text(f"{layers}quantize_parameters:{parameters}")
    return {"model_input": f"{name}.model", "data_input": f"{name}.data", "model_quantization_cfg": cfg.name}


def first_dataset(job: Job) -> str | None:
    """Return the calibration set that hybrid_quantization_step1 takes."""
    return str(ranges.seen(Path(job.dataset))) if job.dataset and job.options.algorithm == "mean" else job.dataset


def narrow(job: Job) -> None:
    """Give the .cfg that hybrid_quantization_step1 left in the working directory the mean ranges."""
    (cfg,) = Path().glob("*.quantization.cfg")
    if job.dataset and job.mean and job.std:
        ranges.apply(cfg, Path(job.onnx), Path(job.dataset), mean=job.mean, std=job.std)


def run(job: Job | DeviceJob, link: Connection) -> None:
    """Do the job, telling each step; every return code is read."""
    step = "import"

    def call(name: str, function: Any, **arguments: Any) -> None:
        nonlocal step
        step = name
        link.send(("step", name))
        code = function(**arguments)
        if code not in (0, None):
            raise StepFailed(f"{name} returned {code}")

    def configured(job: Job) -> Any:
        rknn = RKNN(verbose=job.verbose)
        call("config", rknn.config, **configuration(job))
        if job.custom_softmax:
            from yolorknn.convert.custom_op import CstSoftmax

            call("reg_custom_op", rknn.reg_custom_op, custom_op=CstSoftmax())
        return rknn

    try:
        from rknn.api import RKNN

        if isinstance(job, DeviceJob):
            run_on_device(job, RKNN(verbose=False), link, call)
            return
        rknn = configured(job)
        call(job.loader, getattr(rknn, job.loader), **loading(job))
        options = job.options
        batch = options.batch if options.batch > 1 else None
        if options.hybrid:
            call(
                "hybrid_quantization_step1",
                rknn.hybrid_quantization_step1,
                dataset=first_dataset(job),
                rknn_batch_size=batch,
                proposal=options.proposal > 0,
                proposal_dataset_size=options.proposal or 1,
                custom_hybrid=[list(ends) for ends in options.custom_hybrid] or None,
            )
            if options.algorithm == "mean":
                call("measuring ranges", narrow, job=job)
            files = keep_float16(options.float16)
            rknn = configured(job)
            call("hybrid_quantization_step2", rknn.hybrid_quantization_step2, **files)
        else:
            call(
                "build",
                rknn.build,
                do_quantization=job.dtype == "i8",
                dataset=job.dataset,
                rknn_batch_size=batch,
                auto_hybrid=options.auto_hybrid,
            )
        for name, arguments in exporting(job):
            call(name, getattr(rknn, name), **arguments)
        if job.analyze is not None:
            call("accuracy_analysis", rknn.accuracy_analysis, inputs=[job.analyze], output_dir=ANALYSIS)
        if job.serve:
            call("init_runtime", rknn.init_runtime)
        link.send(("done",))
        step = "inference"
        while job.serve and (image := link.recv()) is not None:
            link.send(("outputs", rknn.inference(inputs=[image[None]], data_format=["nhwc"])))
        rknn.release()
    except EOFError:
        pass
    except StepFailed as exc:
        link.send(("failed", step, str(exc)))
    except Exception as exc:  # the vendor raises ValueError, IndexError, TypeError, ...
        traceback.print_exc()
        link.send(("failed", step, str(exc).strip().splitlines()[-1] if str(exc).strip() else type(exc).__name__))


def _exit_with_parent() -> None:
    """End when the parent is gone: it holds the other end of stdin."""
    while os.read(0, 1):
        pass
    shutil.rmtree(os.getcwd(), ignore_errors=True)  # which a parent that was killed can no longer do
    os._exit(1)


def main() -> None:
    """Receive the job on the socket whose number is the argument, and run it."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with Connection(int(sys.argv[1])) as link:
        run(link.recv(), link)


if __name__ == "__main__":
    main()
