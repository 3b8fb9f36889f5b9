"""An ffmpeg with a decoder of Rockchip's, as a program: it decodes with PyAV, and fails as it is told to.

It is told by a file beside it, "does": ok, crash (after ten pictures), mute, green, late (by ten pictures), loud
(complains of each picture), or nothing, which has no decoder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = """#!{python}
import os, pathlib, sys, time
sys.path.insert(0, {root!r})
does = pathlib.Path(__file__).with_name("does").read_text()
if "-decoders" in sys.argv:
    print("" if does == "nothing" else " V..... h264_rkmpp    h264 (rkmpp) decoder")
    sys.exit(0)
assert sys.argv[sys.argv.index("-c:v") + 1] == "h264_rkmpp" and sys.argv[-1] == "pipe:1"
import av
decoder, shown, size = av.CodecContext.create("h264", "r"), 0, None
held = []
parser = av.CodecContext.create("h264", "r")
while True:
    data = os.read(0, 1 << 16)
    if does == "mute":
        continue
    if not data:
        break
    for packet in parser.parse(data):
        for frame in decoder.decode(packet):
            pixels = frame.to_ndarray(format="yuv420p")
            if does == "green":
                pixels[:] = 0
            height, width = frame.height, frame.width
            if size is None:
                size = (height, width)
                os.write(1, f"YUV4MPEG2 W{{width}} H{{height}} F25:1 Ip C420jpeg\\n".encode())
            held.append(b"FRAME\\n" + pixels.tobytes())
            rest = b"" if does == "late" and len(held) <= 10 else held.pop(0)
            while rest:
                rest = rest[os.write(1, rest):]
            shown += 1
            if does == "loud":
                os.write(2, b"error while decoding MB 1 2, bytestream -5\\n" * 20)
            if does == "crash" and shown == 10:
                print("mpp: rkvdec timed out", file=sys.stderr)
                sys.exit(1)
"""


def write_ffmpeg(folder: Path) -> Path:
    """Write the program into a folder; it does as ffmpeg does."""
    program = folder / "ffmpeg"
    program.write_text(PROGRAM.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    (folder / "does").write_text("ok")
    return program
