"""One build at a time writes a model's files, and none writes over an example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolorknn.errors import BuildError
from yolorknn.files import hold, open_log, writing


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Hold the target's log locked, so that one build at a time writes these files; a killed one lets go by itself.

    Raises:
        BuildError: another build holds it.
    """
    log = target.with_suffix(".log")
    with writing(log):
        file = open_log(log)
    with file:
        if not hold(file):
            raise BuildError(f"another build is writing {target}: wait for it, or give another --output")
        yield


def check_example(folder: Path) -> None:
    """Refuse to write a C++ example where there is something, whatever it is.

    Raises:
        BuildError: there is.
    """
    if folder.exists():
        raise BuildError(f"the C++ example would go to {folder}, which exists: remove it or give another --output")
