"""Why a network stream is lost, of what PyAV raises."""

from __future__ import annotations

import errno
from typing import Any

from yolorknn.stream.sources.source import Reason


def loss_of(exc: Exception, errors: Any, *, opening: bool) -> tuple[Reason, str]:
    """Return why a stream is lost, and what to do.

    Args:
        exc: what PyAV or the system raised.
        errors: PyAV's own, av.error.
        opening: whether it was to be opened; else it was open.
    """
    number = getattr(exc, "errno", None)
    if isinstance(exc, (errors.HTTPUnauthorizedError, errors.HTTPForbiddenError)):
        return "denied", "user or password is refused"
    if isinstance(exc, (errors.HTTPNotFoundError, FileNotFoundError)):
        return "absent", "there is no such stream: check the path in the address"
    if isinstance(exc, ConnectionRefusedError):
        return "refused", "nothing listens there: is the camera on, and the port right?"
    if isinstance(exc, (errors.ExitError, TimeoutError)):
        return ("unreachable", "no answer in time: check address and network") if opening else ("silent", "no answer")
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN) or (opening and number == errno.EIO):
        return "unreachable", "no such host, or no way to it: check address and network"
    if number in (errno.EMFILE, errno.ENFILE):
        return "busy", "this process may open no more files: raise 'ulimit -n', or LimitNOFILE of its service"
    said = getattr(exc, "strerror", None) or type(exc).__name__
    if not opening:
        return "ended", f"the connection was cut ({said})"
    if number == errno.EINVAL:  # no such port, as where a password has a /
        written = "in a password / is written %2F, # is %23, ? is %3F"
        return "broken", f"the address is not right, or what answers is no video ({said}): {written}"
    return "broken", f"what answers is no video ({said})"
