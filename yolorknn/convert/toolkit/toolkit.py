"""rknn-toolkit2's calls, in a child process: its output kept in a log, its codes read, its crashes survived."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.toolkit.log import Log
from yolorknn.convert.toolkit.process import Ended, Process, Raised, Silent
from yolorknn.errors import BuildError, InferenceError, MissingDependencyError
from yolorknn.progress import Progress


def toolkit_version() -> str:
    """Return the installed rknn-toolkit2's version.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if importlib.util.find_spec("rknn") is None:
        raise MissingDependencyError("rknn-toolkit2", "export", "building or simulating an .rknn")
    return importlib.metadata.version("rknn-toolkit2")


class Toolkit:
    """A child process that makes calls as it is asked to; a context manager that ends it on leaving.

    Args:
        log: for everything the vendor prints; its file is replaced.
        python: the interpreter that has the toolkit; None for ours.
        progress: told each step before it begins, and the vendor's own progress bars.
        limit: seconds within which each call must be over; None for no limit.

    Attributes:
        log: see above.
        scratch: the child's working directory, where the vendor leaves files; it goes with the child.

    Raises:
        BuildError: the interpreter cannot be run.
        MissingDependencyError: rknn-toolkit2 is not installed.
        OutputError: the log cannot be written.
    """

    def __init__(
        self, log: Log, *, python: Path | None = None, progress: Progress | None = None, limit: float | None = None
    ) -> None:
        if python is None:
            toolkit_version()
        self.log, self._progress, self._limit = log, progress, limit
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
        self._objects += 1
        made = Rknn(self, str(self._objects))
        self.begin("import", quiet=True)
        self.ask("RKNN", made.name, {"verbose": verbose})
        return made

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

    def failed(self, reason: str) -> BuildError:
        """Return the error that says what the present step failed of."""
        return BuildError(f"rknn-toolkit2 failed in {self._step}: {reason} {self.log.name()}")

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

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Infer one image, uint8 (H, W, 3), after init_runtime.

        Raises:
            InferenceError: the simulator or the device failed, or the process died.
        """
        self._toolkit.begin("inference", quiet=True)
        arguments = {"inputs": [image[None]], "data_format": ["nhwc"]}
        try:
            outputs: list[NDArray[np.float32]] | None = self._toolkit.ask("inference", self.name, arguments)
        except BuildError as exc:
            raise InferenceError(str(exc)) from exc
        if outputs is None:
            log = self._toolkit.log
            raise InferenceError(f"rknn-toolkit2 returned nothing: {log.last_words()} {log.name()}")
        return outputs

    def forget(self) -> None:
        """Free it, as a new one is to take its place."""
        self._toolkit.ask("del", self.name, {})
