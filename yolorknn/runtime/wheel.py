"""The vendor's wheels, rknn-toolkit-lite2 and, of the first generation, rknn_toolkit_lite 1.7: both are `rknnlite`.

A wheel that is installed may not be importable: a dependency of it is missing, or it was compiled for another numpy.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from yolorknn.errors import MissingDependencyError
from yolorknn.text import short_reason

NEWEST_WHEEL = (3, 12)
"""The last Python for which the vendor has wheels."""


def installed() -> bool:
    """Tell whether there is one; a folder that one left behind, without any code, is none."""
    try:
        spec = importlib.util.find_spec("rknnlite")
    except ValueError:  # imported by now, from no file
        return True
    return spec is not None and spec.origin is not None


def why_not() -> str | None:
    """Return why the wheel that is installed cannot be imported; None where it can, or there is none."""
    if not installed():
        return None
    try:
        _imported()
    except Exception as exc:
        return short_reason(exc)
    return None


def wheel_class(package: str, purpose: str, *, absent: str, broken: str) -> Any:
    """Import the wheel, and return its class.

    Args:
        package: what it is called.
        purpose: what it is needed for.
        absent: what to do where it is not installed.
        broken: what to do where it cannot be imported.

    Raises:
        MissingDependencyError: it is not installed, or cannot be imported.
    """
    try:
        return _imported()
    except Exception as exc:  # of the vendor's compiled modules any
        if not installed():
            raise MissingDependencyError(package, "", purpose, mend=absent) from exc
        raise MissingDependencyError(package, "", purpose, mend=broken, broken=short_reason(exc)) from exc


def mend_absent(python: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return what to do where rknn-toolkit-lite2 is asked for and not installed, on this Python."""
    if python > NEWEST_WHEEL:
        return f"there is no wheel of it for Python {named(python)}, take --runtime c or a Python up to 3.12"
    return "in a checkout of yolorknn, pip install '.[board]', or take --runtime c"


def way_out(python: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return what to do where librknnrt is used directly and will not do, on this Python."""
    there = f" in a Python up to 3.12, as there is none for {named(python)}" if python > NEWEST_WHEEL else ""
    how = "pip install rknn-toolkit-lite2 and --runtime lite"
    return f"take the vendor's wheel{there} ({how}), and see 'yolorknn doctor'"


def named(python: tuple[int, int]) -> str:
    """Return a Python's version as it is written."""
    return ".".join(map(str, python))


def _imported() -> Any:
    from rknnlite.api import RKNNLite

    return RKNNLite
