"""Tracking on scenes with known ways: how many crossings are counted once, how long stays are, and what a frame costs.

    .numpy2/bin/python scripts/bench/tracking.py [--scenes 20] [--objects 6]     made by scripts/numpy2.sh

Beside ours what supervision's LineZone and PolygonZone say with the numbers of the same tracker.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.counted import counted, counted_by_supervision


def main() -> None:
    """Print a row for each frame rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--objects", type=int, default=6)
    options = parser.parse_args()
    print(
        "               fps  crossings  counted once  besides  seconds in the zone, of  objects a frame  CPU ms a frame"
    )
    for fps in (30, 10, 5):
        for name, count in (("yolorknn", counted), ("supervision", counted_by_supervision)):
            found = count(fps, range(options.scenes), options.objects)
            once, dwell = f"{found.once / found.crossings:12.3f}", f"{found.dwell:19.1f}, {found.true_dwell:6.1f}"
            each = f"{found.boxes / found.frames:15.1f}  {1e3 * found.cpu / found.frames:14.2f}"
            print(f"{name:<13}{fps:5}  {found.crossings:9}  {once}  {found.besides:7}  {dwell}  {each}")


if __name__ == "__main__":
    main()
