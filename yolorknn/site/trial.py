"""A model tried in a process of its own: what ends the vendor's runtime ends that, and not the one that watches."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yolorknn.errors import ModelError, YolorknnError
from yolorknn.site.opened import open_table
from yolorknn.site.tables import ModelTable
from yolorknn.text import shown

LONGEST = 120.0
"""Seconds that a model may take to open and to run once."""
_CODE = "import sys; sys.path[:] = sys.argv[2:]; from yolorknn.site.trial import main; main()"
"""Imports from where this process does: -m would have it look in the current folder first."""


def try_table(table: ModelTable, meanwhile: Callable[[], None]) -> None:
    """Have another process open a model as a site says, and run it once on every context.

    Args:
        table: what the site says of it.
        meanwhile: called again and again until that is over.

    Raises:
        ModelError: it is no good, or the process ended by itself.
    """
    given = json.dumps(dataclasses.asdict(table), default=str)
    words = [sys.executable, "-c", _CODE, given, *sys.path]
    last = time.monotonic() + LONGEST
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        try:
            while child.poll() is None:
                if time.monotonic() > last:
                    raise ModelError(f"it did not open and run within {LONGEST:.0f} s in a process of its own")
                meanwhile()
                time.sleep(0.1)
        finally:
            child.kill()
        assert child.stderr is not None
        said = child.stderr.read().decode(errors="replace").strip().splitlines()
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise ModelError(f"opening and running it ends a process with signal {name}")
    if child.returncode:
        raise ModelError(shown(said[-1]) if said else f"a process that tried it ended with status {child.returncode}")


def main() -> None:
    """Try the model that the first argument describes."""
    values: dict[str, Any] = json.loads(sys.argv[1])
    paths = {name: Path(values[name]) for name in ("file", "names") if values[name] is not None}
    classes = None if values["classes"] is None else tuple(values["classes"])
    try:
        with open_table(ModelTable(**{**values, **paths, "classes": classes})) as loaded:
            loaded.prove()
    except YolorknnError as exc:
        sys.exit(str(exc))
