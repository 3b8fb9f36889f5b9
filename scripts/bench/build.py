"""Time an int8 build beside the vendor's own calls: the same ONNX, images and platform, each in a process of its own.

    .venv/bin/python scripts/bench/build.py MODEL.onnx FOLDER [--algorithm ALGORITHM]

FOLDER holds the calibration images. Without an algorithm, both take their default.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from beside import DEMO_IMAGES, DEMO_ONNX, arguments, compare, process, show

from yolorknn.data.dataset import read_folder

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


def main() -> None:
    """Run, and print."""
    parser = arguments(__doc__, rounds=2)
    parser.add_argument("model", nargs="?", type=Path, default=DEMO_ONNX)
    parser.add_argument("images", nargs="?", type=Path, default=DEMO_IMAGES)
    parser.add_argument("--algorithm")
    given = parser.parse_args()
    model, images = given.model.resolve(), read_folder(given.images.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        listing = folder / "dataset.txt"
        listing.write_text("".join(f"{image}\n" for image in images))
        theirs = [given.algorithm] if given.algorithm else []
        ours = ["--algorithm", given.algorithm] if given.algorithm else []
        vendor = [sys.executable, "-c", VENDOR, model, listing, folder / "vendor.rknn", *theirs]
        build = [sys.executable, "-m", "yolorknn", "build", model, "--dataset", listing, "-o", folder, *ours]
        commands = {
            "the vendor's own calls": process(*vendor, folder=folder),
            "yolorknn build": process(*build, folder=folder),
        }
        show(f"int8 with {len(images)} images", compare(commands, rounds=given.rounds))


if __name__ == "__main__":
    main()
