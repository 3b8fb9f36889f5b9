"""rknn-toolkit2's calls, in a child process: its output kept in a log, its codes read, its crashes survived."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.process import Ended, Instance, Process, Raised, Silent
from yolorknn.errors import BuildError, InferenceError
from yolorknn.progress import Progress


class Toolkit:
    """A child process that makes calls as it is asked to; a context manager that ends it on leaving.

    Args:
        log: for everything the vendor prints; its file is replaced.
        python: the interpreter that has the toolkit; None for ours.
        progress: told each step before it begins, and the vendor's own progress bars.
        limit: seconds within which each call must be over; None for no limit.
        name: what errors call it.

    Attributes:
        log: see above.
        scratch: the child's working directory, where the vendor leaves files; it goes with the child.

    Raises:
        BuildError: the interpreter cannot be run.
        OutputError: the log cannot be written.
    """

    def __init__(
        self,
        log: Log,
        *,
        python: Path | None = None,
        progress: Progress | None = None,
        limit: float | None = None,
        name: str = "rknn-toolkit2",
    ) -> None:
        self.log, self.name, self._progress, self._limit = log, name, progress, limit
        self._step, self._told, self._objects = "start", progress, 0
        self._process = Process(log, python=python)
        self.scratch = self._process.scratch

    def __enter__(self) -> Toolkit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rknn(self, *, verbose: bool = False) -> Rknn:
        """Return a new RKNN object.

        Raises:
            BuildError: the toolkit cannot be imported.
        """
        made = Rknn(self, self._new())
        self.begin("import", quiet=True)
        self.ask("RKNN", made.name, {"verbose": verbose})
        return made

    def keep(self, instance: Instance) -> str:
        """Have another object made there, and return its name for ask().

        Raises:
            BuildError: its constructor raised, or took the process down.
        """
        name = self._new()
        self.ask("keep", name, {"instance": instance})
        return name

    def _new(self) -> str:
        self._objects += 1
        return str(self._objects)

    def begin(self, step: str, *, quiet: bool = False) -> None:
        """Begin a step, of the vendor's or ours; an error names it, and progress is told unless it is quiet."""
        self._step, self._told = step, None if quiet else self._progress
        if self._told:
            self._told(step, 0.0)

    def ask(self, call: str, on: str, arguments: Mapping[str, Any]) -> Any:
        """Have a call made on an object, and return its result.

        Raises:
            BuildError: it raised, took the process down, or too long.
        """
        try:
            return self._process.ask(call, on, arguments, limit=self._limit, waiting=self._show)
        except Ended as exc:
            raise self.failed(f"its process ended with {exc}: {self.log.last_words()}") from exc
        except (Silent, Raised) as exc:
            raise self.failed(str(exc)) from exc

    def check(self) -> None:
        """Refuse a build of which the compiler printed an error while all calls returned 0.

        Raises:
            BuildError: it did.
        """
        if complaint := self.log.complaint():
            raise self.failed(complaint)

    def check_written(self, file: Path, what: str = "model") -> None:
        """Refuse to go on without a file that a call was to write, all of which return 0 also when the disk is full.

        Raises:
            BuildError: it is absent or empty.
        """
        if not file.is_file() or file.stat().st_size == 0:
            raise BuildError(f"{self.name} returned 0 but wrote no {what}: is the disk full? {self.log.name()}")

    def failed(self, reason: str) -> BuildError:
        """Return the error that says what the present step failed of."""
        return BuildError(f"{self.name} failed in {self._step}: {reason} {self.log.name()}")

    def close(self) -> None:
        """End the process and remove its scratch folder; the log stays. A second call does nothing."""
        self._process.close()

    def _show(self) -> None:
        if self._told and (bar := self.log.bar()):
            self._told(*bar)


class Rknn:
    """One of the toolkit's objects, in the child process.

    Args:
        toolkit: its process.
        name: what the child knows it by.
    """

    def __init__(self, toolkit: Toolkit, name: str) -> None:
        self._toolkit, self.name = toolkit, name

    def do(self, call: str, **arguments: Any) -> None:
        """Make a call that returns a code.

        Raises:
            BuildError: it returned another code than 0, raised, took the process down, or too long.
        """
        self._toolkit.begin(call)
        code = self._toolkit.ask(call, self.name, arguments)
        if code not in (0, None):
            raise self._toolkit.failed(f"{call} returned {code}: {self._toolkit.log.last_words()}")

    def measure(self, call: str, **arguments: Any) -> None:
        """Make a call that returns, and prints into the log, what it measured.

        Raises:
            BuildError: it returned -1, raised, took the process down, or too long.
        """
        self._toolkit.begin(call)
        if self._toolkit.ask(call, self.name, arguments) == -1:
            raise self._toolkit.failed(f"{call} returned -1: {self._toolkit.log.last_words()}")

    def infer(self, *inputs: NDArray[Any], **told: Any) -> list[NDArray[np.float32]]:
        """Infer, after init_runtime.

        Args:
            inputs: an array for each of the model's, in its order; of four dimensions NHWC.
            told: arguments of inference() beside these; by default, as rknn-toolkit2 takes it, the layout of each.

        Raises:
            InferenceError: the simulator or the device failed, or the process died.
        """
        self._toolkit.begin("inference", quiet=True)
        arguments = {"inputs": list(inputs), **(told or {"data_format": ["nhwc"] * len(inputs)})}
        try:
            outputs: list[NDArray[np.float32]] | None = self._toolkit.ask("inference", self.name, arguments)
        except BuildError as exc:
            raise InferenceError(str(exc)) from exc
        if outputs is None:
            log = self._toolkit.log
            raise InferenceError(f"{self._toolkit.name} returned nothing: {log.last_words()} {log.name()}")
        return outputs

    def forget(self) -> None:
        """Free it, as a new one is to take its place."""
        self._toolkit.ask("del", self.name, {})
