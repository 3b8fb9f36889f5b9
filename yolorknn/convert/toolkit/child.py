"""The process that talks to rknn-toolkit2, started by toolkit.py: the vendor's code may abort it at any point.

stdout and stderr are the log file. Messages go over a socket: ("step", name), then ("done",), ("failed", step, reason),
or ("refused", reason) where the fault is not the vendor's; after ("done",) a serving process answers each image with
("outputs", arrays) or ("failed", ...).
"""

from __future__ import annotations

import os
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

from yolorknn.convert.recipe import hybrid, ranges
from yolorknn.convert.recipe.options import BuildOptions
from yolorknn.convert.toolkit.device_child import DeviceJob, run_on_device
from yolorknn.errors import BuildError
from yolorknn.model.platforms import Dtype


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


class Work:
    """A job under way: every return code is read, and each step told before it begins."""

    def __init__(self, link: Connection) -> None:
        self.link, self.step = link, "import"

    def begin(self, step: str) -> None:
        """Tell the next step."""
        self.step = step
        self.link.send(("step", step))

    def call(self, name: str, function: Any, **arguments: Any) -> None:
        """Make one of the vendor's calls.

        Raises:
            StepFailed: it returned another code than 0.
        """
        self.begin(name)
        code = function(**arguments)
        if code not in (0, None):
            raise StepFailed(f"{name} returned {code}")

    def configured(self, job: Job) -> Any:
        """Return an RKNN that knows the job's options."""
        from rknn.api import RKNN

        rknn = RKNN(verbose=job.verbose)
        self.call("config", rknn.config, **configuration(job))
        if job.custom_softmax:
            from yolorknn.convert.export.custom_op import CstSoftmax

            self.call("reg_custom_op", rknn.reg_custom_op, custom_op=CstSoftmax())
        return rknn

    def loaded(self, job: Job) -> Any:
        """Return an RKNN that has the model."""
        rknn = self.configured(job)
        self.call(job.loader, getattr(rknn, job.loader), **loading(job))
        return rknn

    def built(self, job: Job) -> Any:
        """Return an RKNN that has built the model in one step."""
        rknn = self.loaded(job)
        self.call(
            "build",
            rknn.build,
            do_quantization=job.dtype == "i8",
            dataset=job.dataset,
            rknn_batch_size=job.options.batch if job.options.batch > 1 else None,
            auto_hybrid=job.options.auto_hybrid,
        )
        return rknn

    def built_in_two_steps(self, job: Job) -> Any:
        """Return an RKNN that has built the model by a .cfg with ranges and float16 layers of ours."""
        if job.options.algorithm != "mean" or job.dataset is None:
            self._first_step(job, job.dataset)
        else:
            self._first_step(job, str(ranges.seen(Path(job.dataset))))
            self.begin("measuring ranges")
            found, left = hybrid.mean_ranges(Path(job.onnx), job.dataset, mean=job.mean, std=job.std)
            if left:
                print("ranges of the toolkit's own, from all images, for", *left, flush=True)
                self._first_step(job, job.dataset)
            hybrid.put_ranges(found)
        files = hybrid.keep_float16(job.options.float16)
        rknn = self.configured(job)
        self.call("hybrid_quantization_step2", rknn.hybrid_quantization_step2, **files)
        return rknn

    def _first_step(self, job: Job, dataset: str | None) -> None:
        options = job.options
        self.call(
            "hybrid_quantization_step1",
            self.loaded(job).hybrid_quantization_step1,
            dataset=dataset,
            rknn_batch_size=options.batch if options.batch > 1 else None,
            proposal=options.proposal > 0,
            proposal_dataset_size=options.proposal or 1,
            custom_hybrid=[list(ends) for ends in options.custom_hybrid] or None,
        )

    def do(self, job: Job) -> None:
        """Build, export, and serve."""
        rknn = self.built_in_two_steps(job) if job.options.hybrid else self.built(job)
        for name, arguments in exporting(job):
            self.call(name, getattr(rknn, name), **arguments)
        if job.analyze is not None:
            self.call("accuracy_analysis", rknn.accuracy_analysis, inputs=[job.analyze], output_dir=ANALYSIS)
        if job.serve:
            self.call("init_runtime", rknn.init_runtime)
        self.link.send(("done",))
        self.step = "inference"
        while job.serve and (image := self.link.recv()) is not None:
            self.link.send(("outputs", rknn.inference(inputs=[image[None]], data_format=["nhwc"])))
        rknn.release()


def run(job: Job | DeviceJob, link: Connection) -> None:
    """Do the job; what goes wrong is told with the step in which it did."""
    work = Work(link)
    try:
        if isinstance(job, DeviceJob):
            from rknn.api import RKNN

            run_on_device(job, RKNN(verbose=False), link, work.call)
        else:
            work.do(job)
    except EOFError:
        pass
    except StepFailed as exc:
        link.send(("failed", work.step, str(exc)))
    except BuildError as exc:
        link.send(("refused", str(exc)))
    except Exception as exc:  # the vendor raises ValueError, IndexError, TypeError, ...
        traceback.print_exc()
        link.send(("failed", work.step, str(exc).strip().splitlines()[-1] if str(exc).strip() else type(exc).__name__))


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
