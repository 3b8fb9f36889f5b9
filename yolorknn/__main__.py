"""The `yolorknn` command: an expected error is one sentence and status 1; anything else is a bug and shows itself."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import weakref
from types import FrameType
from typing import NoReturn

from yolorknn.text import reason_of

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
USAGE = 2
SOON = 0.02
"""Seconds after which an interrupt amid what does not heed it is tried again."""
DEAF = ("<frozen importlib._bootstrap>", weakref.__file__)
"""Files of what does not."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, once neither an import is under way nor what is called when an object goes.

    OpenCV's import prints it and raises ImportError in its place; of the other Python prints it, and goes on.
    """
    while frame is not None and frame.f_code.co_filename not in DEAF and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    if frame is None:
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, SOON)


def fill_streams() -> None:
    """Have all three standard streams: one that is closed would be the next file that is opened.

    What cannot be encoded, as bytes of a file's name that are no UTF-8, is written as it is in Python.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number; a result that cannot be written is an error
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fail(sentence: str) -> NoReturn:
    """End with a sentence and status 1."""
    from yolorknn.text import shown  # noqa: PLC0415

    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
    sys.exit(f"error: {shown(sentence)}")


def drop_output() -> None:
    """Let go what could not be written to stdout, which Python would try again at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run() -> None:
    """Run the command; what a user can meet becomes a sentence."""
    from yolorknn.cli.app import app  # noqa: PLC0415
    from yolorknn.cli.usage import UsageError, usage_text  # noqa: PLC0415
    from yolorknn.errors import YolorknnError  # noqa: PLC0415

    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except YolorknnError as exc:
        fail(str(exc))
    except UsageError as exc:
        print(usage_text(exc), file=sys.stderr)
        sys.exit(USAGE)
    except BrokenPipeError:  # of `| head`, which has seen enough
        drop_output()
        sys.exit(1)
    except MemoryError:
        fail("there is not enough memory for this")
    except OSError as exc:
        where = exc.filename if exc.filename is not None else "stdout"
        fail(f"cannot use {os.fsdecode(where) if isinstance(where, (str, bytes)) else where}: {reason_of(exc)}")
    if isinstance(status, int):  # of typer.Exit
        sys.exit(status)


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before ultralytics imports it, and for the toolkit's process
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # its complaints are ours to put in words
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        signal.signal(signal.SIGALRM, interrupt)
        signal.signal(signal.SIGTERM, interrupt)  # finish files as on Ctrl-C
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(signal.SIGHUP, interrupt)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored behind a script's &
            signal.signal(signal.SIGINT, interrupt)
        fill_streams()
        run()
    except KeyboardInterrupt:  # also while the imports above go on
        sys.exit(INTERRUPTED)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done: Ctrl-C while libraries unload is no traceback


if __name__ == "__main__":
    main()
