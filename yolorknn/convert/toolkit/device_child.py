"""What the toolkit's child process does with a board attached over adb: load a finished .rknn there and run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

Measured = Literal["time", "operators", "memory"]


@dataclass(frozen=True)
class DeviceJob:
    """A .rknn (absolute path) on the board `device_id`; then inference, or one measurement."""

    rknn: str
    platform: str
    device_id: str
    measure: Measured | None = None


def run_on_device(job: DeviceJob, rknn: Any, link: Connection, call: Callable[..., None]) -> None:
    """Do the job, each call through `call(name, function, **arguments)`, which reads its code.

    A measurement's result is what the vendor prints. Images are answered as by the simulator.
    """
    call("load_rknn", rknn.load_rknn, path=job.rknn)
    call(
        "init_runtime",
        rknn.init_runtime,
        target=job.platform,
        device_id=job.device_id,
        perf_debug=job.measure == "operators",  # slows inference down, and so does eval_mem: each in a run of its own
        eval_mem=job.measure == "memory",
    )
    if job.measure is not None:
        name = "eval_memory" if job.measure == "memory" else "eval_perf"
        call(name, lambda: -1 if getattr(rknn, name)(is_print=True) == -1 else 0)
    link.send(("done",))
    while job.measure is None and (image := link.recv()) is not None:
        link.send(("outputs", rknn.inference(inputs=[image[None]], data_format=["nhwc"])))
