"""Which yolorknn the nodes of a job have: the same on all of them."""

from __future__ import annotations

import importlib.metadata

from yolorknn.errors import BackendError

INSTALLED = importlib.metadata.version("yolorknn")
"""Of this machine."""


def check_version(version: str | None) -> None:
    """Refuse the work of another version.

    Args:
        version: of whoever asks for it; None for any.

    Raises:
        BackendError: it is another than this machine's.
    """
    if version not in (None, INSTALLED):
        raise BackendError(
            f"this node has yolorknn {INSTALLED}, but the job is of {version}: install the same on every node"
        )
