"""Which ffmpeg on this machine has a decoder of the chip's."""

from __future__ import annotations

import functools
import shutil
import subprocess
from contextlib import suppress

PLACES = ("ffmpeg", "/usr/lib/jellyfin-ffmpeg/ffmpeg")
"""Where an ffmpeg with Rockchip's decoders may be."""


@functools.cache
def ffmpeg_with(decoder: str) -> str | None:
    """Return an ffmpeg that has a decoder, None where there is none; asked once in a process."""
    for place in PLACES:
        program = shutil.which(place)
        if program is None:
            continue
        with suppress(OSError, subprocess.SubprocessError):
            words = [program, "-hide_banner", "-decoders"]
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
            )
            if f" {decoder} " in done.stdout:
                return program
    return None
