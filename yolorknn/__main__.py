"""The `yolorknn` command: an expected error is one sentence and status 1; anything else is a bug and shows itself."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
SOON = 0.02
"""Seconds after which an interrupt amid an import is tried again."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, once no import is under way: OpenCV's prints it and raises ImportError in its place."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    if frame is None:
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, SOON)


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its complaints are ours to put in words
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        signal.signal(signal.SIGALRM, interrupt)
        signal.signal(signal.SIGTERM, interrupt)  # finish files as on Ctrl-C
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored behind a script's &
            signal.signal(signal.SIGINT, interrupt)
        from yolorknn.cli.app import app  # noqa: PLC0415
        from yolorknn.errors import YolorknnError  # noqa: PLC0415

        try:
            app()
        except YolorknnError as exc:
            sys.exit(f"error: {exc}")
    except KeyboardInterrupt:  # also while the imports above go on
        sys.exit(INTERRUPTED)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: Ctrl-C while libraries unload is no traceback


if __name__ == "__main__":
    main()
