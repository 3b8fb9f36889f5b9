"""Time an int8 build beside the vendor's own calls: the same ONNX, images and platform, each in a process of its own.

    .venv/bin/python scripts/bench/build.py MODEL.onnx FOLDER [ALGORITHM]

FOLDER holds the calibration images. Without ALGORITHM, both take their default.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from yolorknn.data.dataset import read_folder

ROUNDS = 2
VENDOR = """
import sys
from rknn.api import RKNN
model, dataset, output, *algorithm = sys.argv[1:]
rknn = RKNN(verbose=False)
chosen = {"quantized_algorithm": algorithm[0]} if algorithm else {}
assert rknn.config(mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]], target_platform="rk3588", **chosen) == 0
assert rknn.load_onnx(model) == 0
assert rknn.build(do_quantization=True, dataset=dataset) == 0
assert rknn.export_rknn(output) == 0
rknn.release()
"""


def seconds(folder: Path, *command: str | Path) -> float:
    """Run a command in a folder, and return how long it took."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Run, and print."""
    model, images = Path(sys.argv[1]).resolve(), read_folder(Path(sys.argv[2]).resolve())
    algorithm = sys.argv[3:4]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        listing = folder / "dataset.txt"
        listing.write_text("".join(f"{image}\n" for image in images))
        command = [sys.executable, "-m", "yolorknn", "build", model, "--dataset", listing, "-o", folder]
        chosen = ["--algorithm", *algorithm] if algorithm else []
        for _ in range(ROUNDS):
            vendor = seconds(folder, sys.executable, "-c", VENDOR, model, listing, folder / "vendor.rknn", *algorithm)
            ours = seconds(folder, *command, *chosen)
            print(
                f"{len(images)} images: vendor's calls {vendor:.1f} s, yolorknn build {ours:.1f} s: {ours / vendor:.2f}"
            )


if __name__ == "__main__":
    main()
