"""Images through a Ray cluster on this machine, whose nodes have a simulated NPU core each: what share of them is used.

unshare -n sh -c 'ip link set lo up; python scripts/bench/cluster.py --images 20000 --ms 100 --nodes 1,3 --kill'

A row for each number of nodes: images a second once each has done a shard, their share of what the cores allow, the
CPUs that were busy, and the driver's memory at quarters of the way. With --kill, the last is done again, the driver
killed at a third and begun again, a node killed at two thirds: every image must have one row. The Python is that of
.numpy2; Ray joins the machine's first address, so it is given a network of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from beside import DEMO_IMAGES, DEMO_ONNX, ROOT, busy_seconds

from yolorknn.integrations.ray import detect
from yolorknn.measure.simulated_npu import SimulatedNpu

MEMORY = 100 * 2**20
"""Of each node's object store."""


def main() -> None:
    """Print a row for each number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--ms", type=float, default=100.0, help="of an inference")
    parser.add_argument("--nodes", default="1,3", help="how many, one run each")
    parser.add_argument("--shard", type=int, default=128, help="images of a shard")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--drive", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(*options.drive, ms=options.ms, shard=options.shard)
        return
    counts = [int(count) for count in options.nodes.split(",")]
    with tempfile.TemporaryDirectory(prefix="yolorknn-bench-") as name:
        folder = Path(name)
        (folder / "images").mkdir()
        images = sorted(DEMO_IMAGES.glob("*.jpg"))
        for number in range(options.images):
            (folder / f"images/{number:06d}.jpg").symlink_to(images[number % len(images)])
        print(f"{options.images} images, {options.ms:g} ms a core, {os.cpu_count()} CPUs")
        print("nodes  images/s  of what cores allow  CPUs busy  driver MB at quarters")
        rates = [run(folder, count, options) for count in counts]
        if len(rates) > 1:
            print(f"{counts[-1]} nodes do {rates[-1] / rates[0]:.2f} times what {counts[0]} does")
        if options.kill:
            kill(folder, counts[-1], options)


def drive(address: str, source: str, output: str, *, ms: float, shard: int) -> None:
    """Do the job, and print how far it is as JSON lines."""

    def progress(done: int, _: int) -> None:
        print(json.dumps([time.monotonic(), done, resident()]), flush=True)

    detect(source, DEMO_ONNX, output, address=address, shard=shard, backends=partial(core, ms), progress=progress)


def core(ms: float) -> list[SimulatedNpu]:
    """Return a worker's core."""
    return [SimulatedNpu(DEMO_ONNX, ms)]


def resident() -> float:
    """Return this process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Step(NamedTuple):
    """How far a driver is."""

    time: float
    done: int
    megabytes: float


class Driver:
    """A process that does the job."""

    def __init__(self, address: str, folder: Path, output: Path, options: Any) -> None:
        words = ["--ms", str(options.ms), "--shard", str(options.shard), "--drive", address]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *words, str(folder / "images"), str(output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def steps(self) -> Iterator[Step]:
        """Yield what it tells."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("["):
                yield Step(*json.loads(line))


def cluster(nodes: int) -> Any:
    """Start a head without a core, and nodes with one."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": MEMORY},
    )
    added = [made.add_node(num_cpus=1, resources={"rknpu": 1}, object_store_memory=MEMORY) for _ in range(nodes)]
    made.wait_for_nodes()
    return made, added


def run(folder: Path, nodes: int, options: Any) -> float:
    """Do the job once; print its row, and return images a second."""
    made, _ = cluster(nodes)
    output = folder / f"out{nodes}"
    driver = Driver(made.address, folder, output, options)
    steps: list[Step] = []
    busy = 0.0
    for step in driver.steps():
        if step.done >= nodes * options.shard:
            busy = busy or busy_seconds()
            steps.append(step)
    assert driver.process.wait() == 0
    taken = steps[-1].time - steps[0].time
    used = (busy_seconds() - busy) / taken
    made.shutdown()
    rate = (steps[-1].done - steps[0].done) / taken
    quarters = [steps[len(steps) * part // 4 - 1].megabytes for part in (1, 2, 3, 4)]
    share = rate * options.ms / 1000 / nodes
    print(f"{nodes:5}  {rate:8.1f}  {share:19.3f}  {used:9.2f}  {' '.join(f'{some:.0f}' for some in quarters)}")
    check(output, options.images)
    return rate


def kill(folder: Path, nodes: int, options: Any) -> None:
    """Do the job with the driver killed, and a node."""
    made, added = cluster(nodes)
    output = folder / "killed"
    first = Driver(made.address, folder, output, options)
    for step in first.steps():
        if step.done > options.images / 3:
            first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = Driver(made.address, folder, output, options)
    before = None
    for step in second.steps():
        before = step.done if before is None else before
        if step.done > options.images * 2 / 3 and added:
            made.remove_node(added.pop(), allow_graceful=False)
            added.clear()
    assert second.process.wait() == 0
    made.shutdown()
    print(f"driver killed, and begun again with {before} done; a node killed: {check(output, options.images)}")


def check(output: Path, images: int) -> str:
    """Tell how many rows there are.

    Raises:
        SystemExit: an image has none, or more than one.
    """
    import pyarrow.parquet as pq

    found = [row for part in sorted(output.glob("part-*.parquet")) for row in pq.read_table(part)["index"].to_pylist()]
    if found != list(range(images)):
        raise SystemExit(f"{len(found)} rows, {len(set(found))} of them different, of {images} images")
    return f"{images} images, {len(found)} rows, each once and in order"


if __name__ == "__main__":
    main()
