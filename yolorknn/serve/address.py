"""Whether an address is this machine's alone."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from yolorknn.files import read_secret

TOKEN = "YOLORKNN_SERVE_TOKEN"
"""In the environment, where no file has the token."""


def token_of(file: Path | None, option: str) -> str | None:
    """Return what everybody must give: the first line of a file, or what the environment has; None for nothing.

    Raises:
        OutputError: the file cannot be read, or has none.
    """
    return read_secret(f"@{file}", option) if file is not None else os.environ.get(TOKEN) or None


def is_loopback(host: str) -> bool:
    """Tell whether what listens there is heard by this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
