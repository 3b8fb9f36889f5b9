"""Whether an address is this machine's alone."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from yolorknn.errors import OutputError
from yolorknn.files import read_secret

TOKEN = "YOLORKNN_SERVE_TOKEN"
"""In the environment, where no file has the token."""
LEAST_TOKEN = 16
"""Characters of a token."""


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


def check_address(host: str, token: str | None) -> None:
    """Refuse an address that others reach without a token, and a token that can be guessed.

    Raises:
        OutputError: it is so.
    """
    if token is None and not is_loopback(host):
        raise OutputError(
            f"the page on {host} can be reached by others, which needs a token: "
            "give --serve-token, or serve it on 127.0.0.1"
        )
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise OutputError(
            f"a token for the page is {LEAST_TOKEN} characters of ASCII or more: "
            "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
