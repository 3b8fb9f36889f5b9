"""Items worked on by actors of a cluster: what comes of each as it comes, errors as ours.

Ray Data's pool of actors is not for this: it fails a job one of whose actors is not up before the last item is given
out, as happens with few items on busy machines, gives items to actors ahead, and tells an error of ours as its own.
"""

from __future__ import annotations

import logging
import socket
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

from yolorknn.errors import BackendError, MissingDependencyError, OutputError, YolorknnError
from yolorknn.integrations.ray.cluster import Workers

TRIES = 4
"""How many actors may end over an item, or in a row in starting, beside those of a node that is lost."""
WAITING = 20.0
"""Seconds without a worker that works or starts after which it is told that a node is waited for."""

_logger = logging.getLogger(__name__)


def mapped(
    ray: Any,
    make: Callable[..., Callable[[Any], Any]],
    arguments: tuple[Any, ...],
    items: Sequence[Any],
    needs: Workers,
) -> Generator[tuple[int, Any], None, None]:
    """Yield the number of each item and what came of it, in any order; closed, what is under way ends.

    What was under way on a node that is lost is begun anew on another. Where no node has room it is waited for one, as
    clusters grow; that is told.

    Args:
        ray: the module, connected.
        make: called in each actor, with its first item; what it gives is called with every item.
        arguments: of `make`.
        items: what is to be worked on.
        needs: the actors; as many as there are items at most.

    Raises:
        YolorknnError: an actor raised it.
        BackendError: an actor raised another error, too many of them ended, or none starts.
    """
    dumps, loads = ray.cloudpickle.dumps, ray.cloudpickle.loads
    actor_class = ray.remote(_Actor).options(
        num_cpus=needs.cpus, resources=needs.resources, scheduling_strategy="SPREAD", max_restarts=0
    )
    made = ray.put(dumps((make, arguments)))
    left, lost = deque(range(len(items))), Counter[int]()
    under_way: dict[Any, tuple[Any, int | None]] = {}  # by what is waited for: the actor, and its item unless it starts
    idle: list[Any] = []
    ended = 0

    def start() -> None:
        actor = actor_class.remote(made)
        under_way[actor.ready.remote()] = actor, None

    try:
        for _ in range(min(needs.actors, len(items))):
            start()
        while left or any(number is not None for _, number in under_way.values()):
            ref = _next(ray, under_way, needs)
            actor, number = under_way.pop(ref)
            found = None
            try:
                found = ray.get(ref)
                idle.append(actor)
                ended = 0
            except ray.exceptions.RayError as exc:  # its node is lost, or it ended
                ray.kill(actor)
                if number is not None:
                    left.appendleft(number)
                    lost[number] += 1
                    if lost[number] == TRIES:
                        raise BackendError(f"the job on Ray ended: {TRIES} workers did on one piece of it") from exc
                elif (ended := ended + 1) == needs.actors + TRIES:
                    said = str(exc).strip().rpartition("\n")[2]
                    raise BackendError(
                        f"no worker starts on Ray's nodes: is the same yolorknn installed on every node? ({said})"
                    ) from exc
                start()
            while left and idle:
                actor, given = idle.pop(), left.popleft()
                under_way[actor.work.remote(dumps(items[given]))] = actor, given
            if number is not None and found is not None:
                came = loads(found)
                if isinstance(came, YolorknnError):
                    raise came
                yield number, came
    finally:
        for actor in [*idle, *(actor for actor, _ in under_way.values())]:
            ray.kill(actor)


def _next(ray: Any, under_way: dict[Any, tuple[Any, int | None]], needs: Workers) -> Any:
    """Return what is there first; where no worker works, and none starts in time, it is told what is waited for."""
    patience: float | None = WAITING
    while not (ready := ray.wait(list(under_way), num_returns=1, timeout=patience)[0]):
        patience = None
        if all(number is None for _, number in under_way.values()):
            _logger.warning("no worker runs: waiting for a node of the cluster with %s free", _room(needs))
    return ready[0]


def _room(needs: Workers) -> str:
    """Return what a worker needs, in words."""
    wanted = {**needs.resources, **({"CPU": needs.cpus} if needs.cpus else {})}
    return " and ".join(f"{amount:g} {name}" for name, amount in wanted.items())


class _Actor:
    """Makes what does the work with its first item; errors are what came of an item, as Ray hides them in its own."""

    def __init__(self, make: bytes) -> None:
        self._make = make
        self._made: Callable[[Any], Any] | None = None

    def ready(self) -> None:
        """Tell, by returning, that it runs."""

    def work(self, item: bytes) -> bytes:
        """Return what came of an item, or the error."""
        from ray import cloudpickle

        try:
            if self._made is None:
                make, arguments = cloudpickle.loads(self._make)
                self._made = make(*arguments)
            found = self._made(cloudpickle.loads(item))
        except MissingDependencyError as exc:
            found = BackendError(f"node {socket.gethostname()}: {exc}")
        except OutputError as exc:
            found = OutputError(f"node {socket.gethostname()}: {exc}")
        except YolorknnError as exc:
            found = exc
        except Exception as exc:
            found = BackendError(f"the job on Ray ended on node {socket.gethostname()}: {type(exc).__name__}: {exc}")
        return bytes(cloudpickle.dumps(found))
