"""The doctor's check of the chip's video decoder: what network streams are decoded by, and what it needs."""

from __future__ import annotations

import re
from pathlib import Path

from yolorknn.doctor.container import container_of
from yolorknn.doctor.machine import Finding, Machine

NODES = ("/dev/mpp_service", "/dev/dma_heap/*", "/dev/rga", "/dev/dri/renderD*")
"""What Rockchip's decoder is reached through: itself, memory, what scales pictures, and the cards."""
TASKS = "/proc/mpp_service/rkvdec*/task_count"
DECODER = "h264_rkmpp"
CHECK = "video decoder"


def check_decoder(machine: Machine) -> Finding:
    """Look at the ways to the chip's decoder, and at the devices that they need."""
    way = "pyav-rkmpp" if machine.version("pyav-rkmpp") else machine.ffmpeg(DECODER)
    if not way:
        text = f"network streams are decoded on the CPU, as there is neither pyav-rkmpp nor an ffmpeg with {DECODER}"
        return Finding(CHECK, "ok", text)
    absent = [node for node in NODES if not machine.glob(node)]
    if absent:
        text = f"{way} is installed, but there is no {', '.join(absent)}: network streams are decoded on the CPU"
        container, asked = container_of(machine), [re.sub(r"/(\*|renderD\*)$", "", node) for node in absent]
        fix = container.devices(asked) if container else f"uname -r; ls -l {' '.join(NODES)}"
        return Finding(CHECK, "warning", text, fix)
    shut = [node for pattern in NODES for node in machine.glob(pattern) if not machine.may_use(node)]
    if shut:
        text = f"{way} is installed, but there is no permission for {', '.join(shut)}: streams are decoded on the CPU"
        return Finding(CHECK, "warning", text, "sudo usermod -aG video,render $USER  # then log in again")
    text = f"network streams are decoded by the chip, through {way}, if its first picture is right"
    return Finding(CHECK, "ok", f"{text}{_work(machine)}")


def _work(machine: Machine) -> str:
    """Return what each core of the decoder has to do, where the kernel says it: some kernels use the first alone."""
    counts = {Path(file).parent.name: machine.number(file) for file in machine.glob(TASKS)}
    tasks = ", ".join(f"{core} {count}" for core, count in counts.items() if count is not None)
    return f"; tasks of its cores: {tasks}" if tasks else ""
