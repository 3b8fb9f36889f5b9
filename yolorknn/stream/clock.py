"""Whether the system's clock can be believed: boards without a battery wake up in another year."""

from __future__ import annotations

import ctypes

_UNSYNCED = 0x0040  # STA_UNSYNC of linux/timex.h


class _Timex(ctypes.Structure):
    """The beginning of the kernel's struct timex, and room for the rest, which it fills too."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("most_error", ctypes.c_long),
        ("error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def clock_is_synced() -> bool | None:
    """Tell whether the kernel's clock follows a time server; None where the kernel does not say it."""
    said = _Timex()  # modes 0: nothing is set
    ask = getattr(ctypes.CDLL(None), "adjtimex", None)
    if ask is None or ask(ctypes.byref(said)) < 0:
        return None
    return not said.status & _UNSYNCED
