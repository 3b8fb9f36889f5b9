"""The doctor's checks of a board: chip, driver, devices, librknnrt, and the model against them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from yolorknn.doctor.checks import check_memory, check_python
from yolorknn.doctor.container import DOCKER, check_container, container_of
from yolorknn.doctor.decoder import check_decoder
from yolorknn.doctor.device import check_device
from yolorknn.doctor.library import LIBRARY, check_library, get_library, library_version, loaded_library, uses_wheel
from yolorknn.doctor.machine import Finding, Machine, numbers
from yolorknn.doctor.speed import check_clocks, check_heat, check_load
from yolorknn.errors import BackendError
from yolorknn.model import rknn_file
from yolorknn.model.custom_ops import PLUGINS, folder_of, library_of
from yolorknn.model.metadata import ModelMetadata
from yolorknn.model.platforms import FIRST_GENERATION, Platform, chips, first_generation, runs_on, this_platform
from yolorknn.runtime.cores import open_cores
from yolorknn.runtime.rknnrt import RknnRtSession
from yolorknn.runtime.wheel import NEWEST_WHEEL
from yolorknn.text import quoted

DEVICE_TREE = "/proc/device-tree/compatible"
UPGRADE = "sudo apt update && sudo apt full-upgrade && sudo reboot"


def is_board(machine: Machine) -> bool:
    """Tell whether this is a board, also where a container hides that: an ARM with the device tree hidden."""
    names = chips(machine.path(DEVICE_TREE))
    known = this_platform(machine.path(DEVICE_TREE)) is not None or set(names) & set(FIRST_GENERATION)
    rockchip = "rockchip" in (machine.read(DEVICE_TREE) or "")
    hidden = machine.architecture == "aarch64" and not names and container_of(machine) is not None
    return bool(known) or rockchip or hidden or machine.path(LIBRARY).exists()


def check_board(machine: Machine, model: Path | None, *, opening: bool = True) -> Iterator[Finding]:
    """Look at a board; see doctor.examine."""
    board = this_platform(machine.path(DEVICE_TREE))
    if container := container_of(machine):
        yield check_container(machine, container)
    before = [
        _chip(machine, board),
        _driver(machine),
        check_device(machine),
        check_library(machine),
        check_python(machine, wheels=False),
        _runtime(machine),
    ]
    yield from before
    if model is not None:
        findings = [*before, *_model(machine, model, board)]
        yield from findings[len(before) :]
        if opening and machine.root == Path("/") and all(finding.status != "problem" for finding in findings):
            yield npu_memory(model, wheel=uses_wheel(machine))
    yield from check_clocks(machine)
    yield from check_load(machine)
    yield check_decoder(machine)
    yield from check_memory(machine, least=300, why="a 640x640 detector on three cores takes about 200 MB")
    yield from check_heat(machine)


def _chip(machine: Machine, board: Platform | None) -> Finding:
    names = chips(machine.path(DEVICE_TREE))
    model = machine.read("/proc/device-tree/model") or (names[0] if names else "")
    old = [name for name in names if name in FIRST_GENERATION]
    if board and board.python:
        cores = f"{board.cores} NPU cores" if board.cores > 1 else "1 NPU core"
        return Finding("chip", "ok", f"{model}: {board.name}, {cores}")
    if board:
        text = f"{model}: rknn-toolkit-lite2 does not run on {board.name}, only the vendor's C runtime (rknpu2)"
        return Finding("chip", "problem", text, "git clone --depth 1 https://github.com/airockchip/rknn_model_zoo")
    if old:
        return Finding(
            "chip", "problem", first_generation(old[0]), "git clone https://github.com/airockchip/rknn-toolkit"
        )
    if not names:
        container = container_of(machine)
        where = "the container hides" if container else "there is no"
        text = f"{where} {DEVICE_TREE}, by which the vendor's runtime knows the chip"
        return Finding(
            "chip",
            "problem",
            text,
            container.typed(container.device_tree) if container else DOCKER.typed(DOCKER.device_tree),
        )
    return Finding(
        "chip", "problem", f"{model}: {names[-1]} is no chip that rknn-toolkit2 builds for", "yolorknn build --help"
    )


def _driver(machine: Machine) -> Finding:
    said = None
    for file in ("/sys/kernel/debug/rknpu/version", "/proc/rknpu/version", "/sys/module/rknpu/version"):
        said = said or machine.read(file)
    kernel = machine.read("/proc/sys/kernel/osrelease") or "?"
    if said and (found := re.search(r"\d{1,9}\.\d{1,9}\.\d{1,9}", said)):
        version = found[0]
        text = f"rknpu {version}, kernel {kernel}"
        if numbers(version) < (0, 9, 6):
            return Finding(
                "NPU driver",
                "warning",
                f"{text}: before 0.9.6, jobs on cores 1 and 2 can fail with 'failed to submit!' or error -13",
                UPGRADE,
            )
        return Finding("NPU driver", "ok", text)
    loaded = ("/sys/module/rknpu", "/sys/bus/platform/drivers/RKNPU", "/sys/kernel/debug/rknpu", "/dev/rknpu")
    if any(machine.path(sign).exists() for sign in loaded):
        text = f"rknpu is loaded (kernel {kernel}), its version is readable by root only"
        return Finding("NPU driver", "warning", text, "sudo cat /sys/kernel/debug/rknpu/version")
    text = f"kernel {kernel} has no rknpu driver ('failed to open rknpu module')"
    if machine.path("/sys/module/rocket").exists() or machine.glob("/dev/accel/accel*"):
        text += ": its rocket driver is mainline's, which cannot run a .rknn"
    return Finding(
        "NPU driver",
        "problem",
        f"{text}; boot an image with Rockchip's 5.10 or 6.1 kernel (Armbian: the vendor kernel)",
        "sudo apt install linux-image-vendor-rk35xx linux-dtb-vendor-rk35xx && sudo reboot",
    )


def _runtime(machine: Machine) -> Finding:
    version = machine.version("rknn-toolkit-lite2")
    if version is None:
        why = "rknn-toolkit-lite2 is not installed"
        if machine.python > NEWEST_WHEEL:
            why += f", and has no wheel for Python {'.'.join(map(str, machine.python))}"
        return Finding("runtime", "ok", f"librknnrt is used directly (--runtime c), as {why}")
    if broken := machine.broken():
        why = f"rknn-toolkit-lite2 {version} cannot be imported ({broken})"
        mend = "pip install --force-reinstall rknn-toolkit-lite2"
        return Finding("runtime", "warning", f"librknnrt is used directly (--runtime c), as {why}", mend)
    if numbers(version) < (2, 3, 2):
        text = f"rknn-toolkit-lite2 {version} is older than 2.3.2, with which yolorknn is tested"
        return Finding("runtime", "warning", text, "pip install -U rknn-toolkit-lite2")
    text = (
        f"rknn-toolkit-lite2 is used (--runtime lite), as {version} is installed; 'yolorknn bench' compares it with c"
    )
    return Finding("runtime", "ok", text)


def npu_memory(path: Path, *, wheel: bool) -> Finding:
    """Open a model on every core, by librknnrt, and see what that takes and what sharing its weights saves.

    Args:
        path: a .rknn.
        wheel: whether rknn-toolkit-lite2 is what runs it, which may do where this does not.
    """
    try:
        with contextlib.ExitStack() as opened:
            sessions = open_cores(rknn_file.read(path), source=path, runtime="c")
            for session in sessions:
                opened.enter_context(contextlib.closing(session))
            said = [current.memory() for session in sessions if isinstance(current := session.current(), RknnRtSession)]
    except BackendError as exc:
        if not wheel:
            return Finding("NPU memory", "problem", str(exc), "sudo dmesg | grep -i rknpu")
        return Finding("NPU memory", "warning", str(exc), quoted("yolorknn", "bench", str(path), "--runtime", "lite"))
    known = [memory.total for memory in said if memory is not None]
    if len(known) < len(said):
        return Finding("NPU memory", "ok", f"librknnrt does not say what {path} takes")
    took, saved = sum(known), max(known) * len(known) - sum(known)
    text = f"{path} takes {took / 2**20:.1f} MB on {len(known)} NPU cores with --runtime c"
    return Finding("NPU memory", "ok", f"{text}; sharing its weights saves {saved / 2**20:.1f} MB" if saved else text)


def _model(machine: Machine, path: Path, board: Platform | None) -> Iterator[Finding]:
    file = rknn_file.read(path)
    built = f"{path} is built for {', '.join(file.platforms)} by rknn-toolkit2 {file.toolkit}"
    if board and not any(runs_on(name, board) for name in file.platforms):
        text = f"{built}, this board is {board.name}"
        build = quoted("yolorknn", "build", f"{path.stem}.onnx", "--platform", board.name)
        yield Finding("model", "problem", text, build)
        return
    runtime = library_version(machine)
    if runtime and numbers(runtime) < numbers(file.toolkit):
        text = f"{built}, but librknnrt is {runtime}: an older one refuses the model or crashes in it"
        yield Finding("model", "problem", text, get_library(file.toolkit, loaded_library(machine) or LIBRARY))
        return
    recorded = file.recorded() if file.custom_string else None
    for op in recorded.build.custom_ops if recorded and recorded.build else ():
        plugin = f"{PLUGINS}/{library_of(op)}"
        if not machine.path(plugin).exists():
            text = f"{built} with the custom op {op}, but there is no {plugin}: compile what stands in {folder_of(op)}"
            yield Finding("model", "warning", text, quoted("sudo", "install", "-Dm644", library_of(op), plugin))
            return
    softmax = f"{PLUGINS}/{library_of('cstSoftmax')}"
    if isinstance(recorded, ModelMetadata) and recorded.custom_softmax and not machine.path(softmax).exists():
        text = f"{built} with the custom op cstSoftmax, but there is no {softmax} (scripts/build-plugin.sh makes one)"
        yield Finding("model", "warning", text, "yolorknn export CHECKPOINT.pt --no-custom-softmax")
        return
    yield Finding("model", "ok", built)
