"""A USB camera without hardware: a process in which the kernel's calls are answered by v4l2_shim.c."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.waiting import LONGEST

SHIM = Path(__file__).with_name("v4l2_shim.c")
needs_shim = pytest.mark.skipif(
    shutil.which("cc") is None or sys.maxsize < 1 << 32 or not Path("/usr/include/linux/videodev2.h").exists(),
    reason="no C compiler, or no headers of the kernel",
)
LOOP = """
import json, sys
names = {}
for line in sys.stdin:
    code, want = json.loads(line)
    try:
        exec(code, names)
        answer = eval(want, names)
    except Exception as exc:
        answer = {"error": type(exc).__name__, "text": str(exc), "reason": getattr(exc, "reason", None)}
    print(json.dumps(answer), flush=True)
"""


class UsbCamera:
    """A camera in a folder, and a process that sees it as /dev/video0 is seen."""

    def __init__(self, folder: Path) -> None:
        self.device = folder / "video0"
        library = folder / "shim.so"
        flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        subprocess.run(["cc", *flags, "-o", str(library), str(SHIM), "-ldl"], check=True)
        self.reset()
        environment = {**os.environ, "LD_PRELOAD": str(library), "V4L2_SHIM": str(self.device)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def reset(self) -> None:
        """Be plugged in, and give raw pictures of 64x48."""
        self.device.touch()
        self.does("run")
        self.gives("YUYV", np.full((48, 64, 3), 90, np.uint8))

    def does(self, what: str) -> None:
        """See v4l2_shim.c."""
        self._write(".does", what.encode())

    def gives(self, kind: str, image: np.ndarray) -> None:
        """Give a picture, BGR, in a pixel format."""
        height, width = image.shape[:2]
        if kind == "MJPG":
            data = cv2.imencode(".jpg", image)[1].tobytes()
        else:
            planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
            luma, blue, red = planes[:height], *planes[height:].reshape(2, height // 2, width // 2)
            if kind == "NV12":
                data = luma.tobytes() + np.dstack([blue, red]).tobytes()
            else:
                at = 0 if kind == "YUYV" else 1
                packed = np.empty((height, width, 2), np.uint8)
                packed[..., at] = luma
                packed[:, 0::2, 1 - at], packed[:, 1::2, 1 - at] = blue.repeat(2, axis=0), red.repeat(2, axis=0)
                data = packed.tobytes()
        self._write(".fmt", f"{kind} {width} {height}".encode())
        self.sends(data)

    def sends(self, data: bytes) -> None:
        """Give these bytes as a picture."""
        self._write(".data", data)

    def run(self, code: str, want: str = "None") -> Any:
        """Run code in the process; return the value of an expression after it, or what was raised."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([code, want]) + "\n")
        self._process.stdin.flush()
        assert select.select([self._process.stdout], [], [], LONGEST)[0], f"no end of {code}"
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _write(self, suffix: str, data: bytes) -> None:
        target = Path(f"{self.device}{suffix}")
        new = target.with_suffix(f"{suffix}.new")
        new.write_bytes(data)
        new.replace(target)
