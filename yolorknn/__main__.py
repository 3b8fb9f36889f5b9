"""The `yolorknn` command: an expected error is one sentence and status 1; anything else is a bug and shows itself."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its complaints are ours to put in words
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # finish files as on Ctrl-C
        from yolorknn.cli import app  # noqa: PLC0415
        from yolorknn.errors import YolorknnError  # noqa: PLC0415

        try:
            app()
        except YolorknnError as exc:
            sys.exit(f"error: {exc}")
    except KeyboardInterrupt:  # also while the imports above go on
        sys.exit(INTERRUPTED)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: Ctrl-C while libraries unload is no traceback


if __name__ == "__main__":
    main()
