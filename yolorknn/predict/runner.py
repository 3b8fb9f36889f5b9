"""Runner: the class to embed for a model of any kind: arrays by name in, arrays by name out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from yolorknn.errors import BackendError, InputError
from yolorknn.model.metadata import Tensor
from yolorknn.predict.open_model import HERE, Place, open_sessions
from yolorknn.progress import Progress
from yolorknn.runtime.cores import Runtime
from yolorknn.runtime.laid import all_laid, as_own, check_whole
from yolorknn.runtime.pool import Pool
from yolorknn.runtime.session import Session

AHEAD = 2
"""Runs that stream() has waiting beside those that are under way."""
Given: TypeAlias = Any
"""A mapping of arrays by name; a tuple of one for each input, in order; or the array of the only input."""
Outputs: TypeAlias = dict[str, NDArray[Any]]


class Runner:
    """A loaded model of any kind. Threads may share one.

        with Runner("resnet18-rk3588-i8.rknn") as runner:
            logits = runner.run(image=array)["logits"]

    The same call runs an .onnx on onnxruntime, a .rknn on the board's NPU, and with `place` either on the vendor's
    simulator, or a .rknn on a board that is attached over adb. What goes in is what the model takes, in its own
    layout (NCHW), of any type that holds the values; a .rknn that was built with mean and std takes the values that
    these are applied to.

    Args:
        model: an .onnx or .rknn; on the simulator whatever `yolorknn build` reads.
        place: where it is to run; default is here.
        runtime: on a board, "lite", "c" or "auto"; see Detector.
        contexts: on a board, how many on each NPU core; see Detector.
        progress: told the steps of a build for the simulator.

    Attributes:
        inputs: what run() takes: names, shapes (0 for a side of any length), numpy's dtypes, of images the layout.
        outputs: what run() gives.

    Raises:
        ModelError: the model is absent, broken, or not for this machine.
        BackendError: the runtime refused it.
        BuildError, CalibrationError: it cannot be built for the simulator.
        MissingDependencyError: the runtime is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        place: Place = HERE,
        runtime: Runtime = "auto",
        contexts: int = 1,
        progress: Progress | None = None,
    ) -> None:
        interface, sessions = open_sessions(Path(model), place, runtime=runtime, contexts=contexts, progress=progress)
        self.inputs: tuple[Tensor, ...] = interface.inputs
        self.outputs: tuple[Tensor, ...] = interface.outputs
        self._pool: Pool[Session] = Pool(sessions)
        self._taken = {tensor.name: tensor for tensor in sessions[0].inputs}

    @property
    def busy(self) -> tuple[float, ...]:
        """Seconds that each NPU core has been in use, whatever contexts it has; of onnxruntime, each session."""
        return self._pool.busy

    @property
    def dead(self) -> tuple[str, ...]:
        """Why each NPU core that was taken out of use was."""
        return self._pool.dead

    def run(self, given: Given = None, /, **named: Any) -> Outputs:
        """Run the model once.

        Args:
            given: a mapping of arrays by name, for names that Python has not; or a tuple of one for each input, in
                order; or the array of the only input.
            named: arrays by name. In the input's shape, of which an axis of length 1 in front may be absent; any type
                that holds the values: of an input of integers no fractions, of one of floats anything.

        Returns:
            The outputs by name, in the model's shapes: float32, or the model's own type of integers.

        Raises:
            InputError: an input is absent, unknown, of another shape, or has values that its type has not.
            InferenceError: the runtime failed, or an output of integers has none, as infinity.
            BackendError: the runner is closed.
        """
        arrays = all_laid({**self._by_name(given), **named}, self.inputs, self._taken)
        with self._pool.lend() as session:
            outputs = as_own(session.run(arrays), session.outputs, self.outputs)
        check_whole(outputs, self.outputs)
        return outputs

    def stream(self, inputs: Iterable[Given]) -> Iterator[Outputs]:
        """Run on one thing after another, on every core, and give the outputs in order.

        What `inputs` has is taken in the caller's thread, a few ahead of what is given back, and must not change until
        then. An error is raised in the place of its outputs and ends the stream, whose threads end with it.

        Args:
            inputs: what run() takes as `given`, one after another.

        Raises:
            BackendError: the runner is closed.
        """
        if self._pool.closed:
            raise BackendError("the model is closed")
        return self._stream(iter(inputs))

    def _stream(self, inputs: Iterator[Given]) -> Iterator[Outputs]:
        workers = len(self._pool)
        executor = ThreadPoolExecutor(workers, thread_name_prefix="yolorknn-run")
        running: deque[Future[Outputs]] = deque()
        process = os.getpid()

        def first() -> Outputs:
            if os.getpid() != process:  # which has none of the threads
                raise BackendError(
                    "the stream was begun by the process that this one was forked from: open the model after the fork"
                )
            return running.popleft().result()

        try:
            for given in inputs:
                running.append(executor.submit(self.run, given))
                while running and (len(running) >= workers + AHEAD or running[0].done()):
                    yield first()
            while running:
                yield first()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            if os.getpid() == process:
                self._pool.hurry_through(running)
            executor.shutdown()

    def close(self) -> None:
        """Free what the runner holds, after the runs that are under way; a second call does nothing."""
        self._pool.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _by_name(self, given: Given) -> Mapping[str, Any]:
        match given:
            case None:
                return {}
            case Mapping():
                return given
            case tuple():
                values: tuple[Any, ...] = given
            case _:
                values = (given,)
        if len(values) != len(self.inputs):
            names = ", ".join(tensor.name for tensor in self.inputs)
            raise InputError(
                f"the model has {len(self.inputs)} inputs ({names}), got {len(values)} arrays without names"
            )
        return {tensor.name: value for tensor, value in zip(self.inputs, values, strict=True)}
