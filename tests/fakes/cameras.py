"""Network cameras in a process of their own, so that what they cost is not measured as ours; driven by lines.

    python -m tests.fakes.cameras COUNT FPS

It prints their URLs. A line "3 down rst" calls a method of camera 3, "3 stalled=1" sets an attribute, "3 size 192 256"
has it send another size; each is answered by "ok" when it is done.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fakes.clips import encoded
from tests.fakes.rtsp import RtspCamera

ROOT = Path(__file__).resolve().parents[2]


class Cameras:
    """The process, seen from outside."""

    def __init__(self, count: int, fps: int) -> None:
        command = [sys.executable, "-m", "tests.fakes.cameras", str(count), str(fps)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.urls = self._line().split()

    def tell(self, number: int, what: str) -> None:
        """Have a camera do something, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number} {what}\n")
        self._process.stdin.flush()
        assert self._line() == "ok"

    def close(self) -> None:
        """End them all."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main() -> None:
    """Serve until stdin ends."""
    count, fps = int(sys.argv[1]), int(sys.argv[2])
    clips = {size: encoded(size, fps=fps, keys=fps) for size in ((256, 320), (192, 256))}
    cameras = [RtspCamera(clips[256, 320], login=("me", "s3cret")) for _ in range(count)]
    print(*(camera.url for camera in cameras), flush=True)
    for line in sys.stdin:
        number, what, *words = line.split()
        camera = cameras[int(number)]
        name, mark, value = what.partition("=")
        if mark:
            setattr(camera, name, int(value))
        elif what == "size":
            camera.clip = clips[int(words[0]), int(words[1])]
        elif what == "login":
            camera.login = (words[0], words[1])
        elif what == "jump":
            camera.jump(float(words[0]))
        else:
            getattr(camera, what)(*words)
        print("ok", flush=True)


if __name__ == "__main__":
    main()
