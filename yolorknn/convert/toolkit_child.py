"""The process that talks to rknn-toolkit2, started by convert/toolkit.py: the vendor's code may abort it at any point.

stdout and stderr are the log file. Messages go over a socket: ("step", name), then ("done",) or ("failed", step,
reason); after ("done",) a serving process answers each image with ("outputs", arrays) or ("failed", ...).
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import threading
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from yolorknn.convert.device_child import DeviceJob, run_on_device
from yolorknn.convert.recipe import BuildOptions
from yolorknn.platforms import Dtype


@dataclass(frozen=True)
class Job:
    """One build, from load to export, perhaps followed by simulation. Paths are absolute and free of spaces."""

    onnx: str
    platform: str
    dtype: Dtype
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    dataset: str | None = None
    options: BuildOptions = field(default_factory=BuildOptions)
    custom_softmax: bool = False
    custom_string: str | None = None
    export: str | None = None
    serve: bool = False
    verbose: bool = False
    """Print the layer table, and leave check*.onnx in the working directory."""


def configuration(job: Job) -> dict[str, Any]:
    """Return the arguments of RKNN.config()."""
    settings: dict[str, Any] = {
        "mean_values": [list(job.mean)],
        "std_values": [list(job.std)],
        "target_platform": job.platform,
        "optimization_level": job.options.optimization_level,
        **job.options.config,
    }
    if job.custom_string is not None:
        settings["custom_string"] = job.custom_string
    if job.dtype == "i8":
        settings |= {"quantized_algorithm": job.options.algorithm, "quantized_method": job.options.method}
    return settings


class StepFailed(Exception):
    """A call returned another code than 0."""


def keep_float16(cfg: Path, tensors: tuple[str, ...]) -> None:
    """Add tensors to the float16 layers of the file that hybrid_quantization_step1 wrote.

    Raises:
        StepFailed: a tensor is not in the toolkit's graph.
    """
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
        call("load_onnx", rknn.load_onnx, model=job.onnx)
        options = job.options
        if options.hybrid:
            call(
                "hybrid_quantization_step1",
                rknn.hybrid_quantization_step1,
                dataset=job.dataset,
                proposal=options.proposal,
                custom_hybrid=[list(ends) for ends in options.custom_hybrid] or None,
            )
            name = Path(job.onnx).stem  # the vendor writes its three files into the working directory
            keep_float16(Path(f"{name}.quantization.cfg"), options.float16)
            rknn = configured(job)
            call(
                "hybrid_quantization_step2",
                rknn.hybrid_quantization_step2,
                model_input=f"{name}.model",
                data_input=f"{name}.data",
                model_quantization_cfg=f"{name}.quantization.cfg",
            )
        else:
            call(
                "build",
                rknn.build,
                do_quantization=job.dtype == "i8",
                dataset=job.dataset,
                auto_hybrid=options.auto_hybrid,
            )
        if job.export is not None:
            call("export_rknn", rknn.export_rknn, export_path=job.export)
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
    os._exit(1)


def main() -> None:
    """Receive the job on the socket whose number is the argument, and run it."""
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with Connection(int(sys.argv[1])) as link:
        run(link.recv(), link)


if __name__ == "__main__":
    main()
