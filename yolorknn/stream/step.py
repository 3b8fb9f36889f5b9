"""Steps between detection and sinks: each adds to a result what earlier frames, or anything else, tell of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from yolorknn.stream.result import Result

_logger = logging.getLogger(__name__)


class Step(Protocol):
    """Takes the results of one camera, one after another and from one thread, and gives each with more in it.

    apply() returns soon, as the stream waits for it. What it is given is not written to: see Result.with_scene().
    """

    def begin(self, epoch: int) -> None:
        """Be told that the next result is the first, or of another connection: positions before it mean nothing."""

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Return the result with more in it, of the same frame and as many objects."""

    def close(self) -> None:
        """Keep what is to be kept, and release it."""


@runtime_checkable
class Finishing(Protocol):
    """A step that waits for later frames before it says something."""

    def finish(self, result: Result[Any]) -> Result[Any]:
        """Return the last result, as apply() gave it, with what is known as there are no more."""

    def end(self) -> None:
        """Decide the same where the last result went on its way already."""


class Steps:
    """The steps of one camera, in order; they stay open. One that raises is told of and left out from then on."""

    def __init__(self, steps: Sequence[Step], told: Callable[[str], None], *, of: str = "") -> None:
        """Take the steps.

        Args:
            steps: applied in this order.
            told: is told of a step that fails.
            of: name of the camera, for what is told.
        """
        self._steps, self._told, self._where = list(steps), told, f" of {of}" if of else ""
        self._epoch: int | None = None

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Return the result as the last step gives it."""
        anew, self._epoch = result.epoch != self._epoch, result.epoch

        def applied(step: Step, result: Result[Any]) -> Result[Any]:
            if anew:
                step.begin(result.epoch)
            return step.apply(result)

        return self._each(applied, result)

    def finish(self, result: Result[Any]) -> Result[Any]:
        """Return the last result of a source that ended, with what steps that are Finishing add as it is the last."""
        return self._each(lambda step, last: step.finish(last) if isinstance(step, Finishing) else last, result)

    def end(self) -> None:
        """Have steps that are Finishing decide what they wait for, as there are no more results."""
        for step in self._steps:
            if isinstance(step, Finishing):
                try:
                    step.end()
                except Exception as exc:
                    self._told(f"{type(step).__name__}{self._where} failed as it ended: {exc}")
                    _logger.debug("a step failed", exc_info=True)

    def _each(self, change: Callable[[Step, Result[Any]], Result[Any]], result: Result[Any]) -> Result[Any]:
        for step in list(self._steps):
            try:
                result = change(step, result)
            except Exception as exc:
                self._steps.remove(step)
                what = f"{type(step).__name__}{self._where} failed on frame {result.index}"
                self._told(f"{what}: {exc}; it is left out from here on")
                _logger.debug("a step failed", exc_info=True)
        return result


class StepsByCamera:
    """The steps of several cameras, each with its own; they stay open, and may change while results come."""

    def __init__(self, steps: Mapping[str, Sequence[Step]], told: Callable[[str], None]) -> None:
        """Take the steps by name of a camera; see Steps."""
        self.given: dict[str, tuple[Step, ...]] = {}
        self._told = told
        self._steps: dict[str, Steps] = {}
        self.take(steps, set(steps))

    def take(self, steps: Mapping[str, Sequence[Step]], cameras: Collection[str], anew: Collection[str] = ()) -> None:
        """Have these from the next result on; where they are the same ones, they go on.

        Args:
            steps: by name of a camera.
            cameras: that there are; steps of others are left out.
            anew: those that begin anew: their next results are of another connection, whatever its number.
        """
        given = {name: tuple(each) for name, each in steps.items() if name in cameras}
        stay = {name for name, each in given.items() if name not in anew and self.given.get(name) == each}
        self._steps = {
            name: self._steps[name] if name in stay else Steps(each, self._told, of=name)
            for name, each in given.items()
        }
        self.given = given

    def apply(self, result: Result[Any]) -> Result[Any]:
        """Return the result as the last step of its camera gives it."""
        steps = self._steps.get(result.camera)
        return result if steps is None else steps.apply(result)

    def end(self) -> None:
        """End those of every camera; see Steps.end()."""
        for steps in self._steps.values():
            steps.end()
