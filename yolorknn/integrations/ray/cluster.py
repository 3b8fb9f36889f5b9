"""The cluster that a job runs on: joined, asked what it has, left again."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

from yolorknn.errors import BackendError, MissingDependencyError
from yolorknn.model.platforms import this_platform
from yolorknn.text import reason_of

CORES = "rknpu"
"""Ray's custom resource, one for each NPU core; NPU is another vendor's."""
LOCAL = "local"
PORT = 6379
"""Ray's own default."""
PATIENCE = 5.0
"""Seconds for a head to be heard."""


class Workers(NamedTuple):
    """How many actors a job has, and what each needs."""

    actors: int
    resources: dict[str, float]
    cpus: float


@contextlib.contextmanager
def joined(address: str) -> Iterator[Any]:
    """Yield the module ray, connected; an own cluster of one node for "local".

    Args:
        address: "local", "auto" for the one that runs on this machine, HOST:PORT, or ray://HOST:PORT.

    Raises:
        MissingDependencyError: Ray is not installed.
        BackendError: there is no cluster there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as exc:
        raise MissingDependencyError("Ray", "ray", "a job on many machines") from exc
    if ray.is_initialized():
        yield ray
        return
    _check_heard(address)
    try:
        if address == LOCAL:
            ray.init("local", include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        else:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as exc:
        raise BackendError(_absent(address, str(exc).strip().partition("\n")[0])) from exc
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_heard(address: str) -> None:
    """Refuse an address where nobody listens, for which Ray would look for minutes.

    Raises:
        BackendError: so it is.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as exc:
        raise BackendError(_absent(address, reason_of(exc))) from exc


def _absent(address: str, why: str) -> str:
    return f"there is no Ray cluster at {address}: start one with 'yolorknn node', or give --ray local ({why})"


def workers(ray: Any, model: str, *, simulate: bool, own: bool) -> Workers:
    """Return the actors for a model: one for each NPU core, or for each CPU where there is none or it needs none.

    Args:
        ray: the module, connected.
        model: what it is called.
        simulate: whether the vendor's simulator runs it.
        own: whether the caller brings what runs it.

    Raises:
        BackendError: a .rknn, and no node has an NPU core.
    """
    has = ray.cluster_resources()
    cores = int(has.get(CORES, 0))
    if cores and not simulate:
        return Workers(cores, {CORES: 1.0}, 0.0)
    if model.endswith(".rknn") and not simulate and not own:
        raise BackendError(
            f"no node of the cluster has {CORES}, the NPU cores that {model} runs on: start boards with "
            "'yolorknn node', or give the .onnx or --simulate, which run on PCs"
        )
    return Workers(max(1, int(has.get("CPU", 1))), {}, 1.0)


def node_line(head: str | None) -> tuple[str, str]:
    """Return the command that starts this machine as a node, and what it has to be known of it.

    Args:
        head: HOST:PORT of the cluster's head; None for the head itself.
    """
    board = this_platform()
    where = f"--address={head}" if head else f"--head --port={PORT} --include-dashboard=false"
    cores = f" --resources='{{\"{CORES}\": {board.cores}}}'" if board else ""
    line = f"ray start {where} --disable-usage-stats{cores}"
    if board:
        said = f"{board.name}: {board.cores} NPU cores, one worker each"
    else:
        said = "no NPU here: workers run an .onnx, one a CPU, on clusters whose nodes have no NPU either"
    return line, said
