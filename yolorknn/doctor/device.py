"""The doctor's check of the device through which a board's NPU is reached."""

from __future__ import annotations

from yolorknn.doctor.container import DOCKER, container_of
from yolorknn.doctor.machine import Finding, Machine


def check_device(machine: Machine) -> Finding:
    """Look for the NPU's device, and whether the user may open it."""
    container, nodes = container_of(machine), machine.glob("/dev/dri/renderD*") + machine.glob("/dev/rknpu")
    let_in = container.devices([_wanted(machine)]) if container else ""
    if not nodes:
        text = "there is neither /dev/dri/renderD* nor /dev/rknpu, through which the NPU is reached"
        return Finding("device", "problem", text, let_in or "ls -l /dev/dri; sudo dmesg | grep -i rknpu")
    wheel = machine.version("rknn-toolkit-lite2") is not None
    if container is DOCKER and wheel and "/dev/dri/renderD129" not in nodes:
        text = "the container has no /dev/dri/renderD129, which rknn-toolkit-lite2 asks for there"
        return Finding("device", "problem", text, let_in)
    shut = [node for node in nodes if not machine.may_use(node)]
    if shut:
        text = f"no permission for {', '.join(shut)} ('failed to open rknpu module')"
        if container and container.group:
            group = machine.path(shut[0]).stat().st_gid
            return Finding("device", "problem", text, container.typed(container.group.format(group=group)))
        return Finding("device", "problem", text, "sudo usermod -aG render,video $USER  # then log in again")
    if barred := [node for node in nodes if machine.is_barred(node)]:
        text = f"{', '.join(barred)} may not be opened here, as it was mounted and not let in as a device"
        return Finding("device", "problem", text, let_in or "sudo dmesg | grep -i rknpu")
    return Finding("device", "ok", ", ".join(nodes))


def _wanted(machine: Machine) -> str:
    """Return what a container is to be given: as the kernel, which it shares, has the NPU."""
    return "/dev/rknpu" if machine.path("/sys/class/misc/rknpu").exists() else "/dev/dri"
