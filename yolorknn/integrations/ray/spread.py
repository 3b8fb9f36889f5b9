"""Work of any kind over the cluster: a val's images, a gate's recipes. See measure.spread.Spread, which this is."""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from yolorknn.integrations.ray.claim import claimed
from yolorknn.integrations.ray.cluster import joined, workers
from yolorknn.integrations.ray.mapped import mapped
from yolorknn.integrations.ray.model_file import shipped
from yolorknn.integrations.ray.version import INSTALLED, check_version


@contextlib.contextmanager
def spread_over(address: str) -> Iterator[RaySpread]:
    """Yield the workers of a cluster.

    Args:
        address: see cluster.joined().

    Raises:
        MissingDependencyError: Ray is not installed.
        BackendError: there is no cluster there.
    """
    with joined(address) as ray:
        yield RaySpread(ray)


class RaySpread:
    """See Spread. Paths must be the same on every node, as on a shared disk; models are sent.

    Args:
        ray: the module, connected.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def carried(self, model: Path, *beside: Path) -> Callable[[], Path]:
        """Return what gives a worker its copy of a model; see Spread."""
        return shipped(model, *beside).unpacked

    def work(
        self, opening: Any, pieces: Sequence[Any], *, model: str, simulate: bool
    ) -> Generator[tuple[int, Any], None, None]:
        """Yield what came of each piece; see Spread."""
        needs = workers(self._ray, model, simulate=simulate, own=False)
        arguments = (INSTALLED, os.getcwd(), model, simulate, self._ray.cloudpickle.dumps(opening))
        yield from mapped(self._ray, _worker, arguments, pieces, needs)


def _worker(version: str, folder: str, model: str, simulate: bool, opening: bytes) -> Callable[[Any], Any]:
    """Open what the work needs; it stays so until the process ends."""
    from ray import cloudpickle

    check_version(version)
    with contextlib.suppress(OSError):
        os.chdir(folder)  # of the driver, from which paths may be relative
    claim = claimed(model, simulate=simulate)
    opened = cloudpickle.loads(opening)(None if claim is None else (claim.core,))
    held = contextlib.ExitStack()
    done: Callable[[Any], Any] = held.enter_context(opened)
    atexit.register(held.pop_all().close)
    return done
