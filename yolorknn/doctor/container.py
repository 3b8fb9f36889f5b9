"""The container that a board may be seen from, and the options by which each kind lets the board's parts in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from yolorknn.doctor.machine import Finding, Machine
from yolorknn.stream.sinks.mqtt.address import MACHINE_IDS, SERIAL


@dataclass(frozen=True)
class Container:
    """A kind of container, and what its options are called."""

    name: str
    line: str
    """Where options stand: a command, or a comment that says it; {} is for them."""
    between: str
    """What stands between two options."""
    device_tree: str
    """Shows the device tree, which most kinds mask."""
    device: str
    """Lets in a device; {path} begins at the root, {below} after its slash, {kind} is file or dir."""
    mount: str
    """Lets in a file."""
    group: str | None = None
    """Makes the user a member of the group with the number {group}; None where that is done in it, as on a board."""

    def typed(self, *options: str) -> str:
        """Return options as they are typed."""
        return self.line.format(self.between.join(options))

    def devices(self, paths: Iterable[str]) -> str:
        """Return what lets in devices: files, or folders of them."""
        made = {
            self.device.format(path=path, below=path[1:], kind="dir" if path in FOLDERS else "file") for path in paths
        }
        return self.typed(*sorted(made))

    def mounted(self, path: str) -> str:
        """Return what lets in a file of the host's."""
        return self.typed(self.mount.format(path=path, below=path[1:]))


FOLDERS = ("/dev/dri", "/dev/dma_heap")
"""Of devices."""
DOCKER = Container(
    "Docker",
    "docker run {} ...",
    " ",
    "--security-opt systempaths=unconfined",
    "--device {path}",
    "-v {path}:{path}:ro",
    "--group-add {group}",
)
PODMAN = Container(
    "Podman",
    "podman run {} ...",
    " ",
    "--security-opt unmask=/sys/firmware",
    "--device {path}",
    "-v {path}:{path}:ro",
    "--group-add keep-groups",
)
KUBERNETES = Container(
    "Kubernetes",
    "{}  # in the pod's manifest",
    ", ",
    "securityContext: {privileged: true}",
    "hostPath: {{path: {path}}} and securityContext: {{privileged: true}}",
    "hostPath: {{path: {path}, type: File}}",
    "supplementalGroups: [{group}]",
)
LXC = Container(
    "LXC",
    "{}  # in the container's configuration",
    "; ",
    "lxc.mount.auto = proc:mixed sys:mixed",
    "lxc.mount.entry = {path} {below} none bind,create={kind}; lxc.cgroup2.devices.allow = c MAJOR:* rwm",
    "lxc.mount.entry = {path} {below} none bind,ro,create=file",
)


def container_of(machine: Machine) -> Container | None:
    """Return what this runs in; None where it is no container, or of a kind that is not known.

    Kubernetes comes first, as it may have Docker below it, whose options nobody could type there.
    """
    if (machine.read("/etc/hosts") or "").startswith("# Kubernetes-managed hosts file"):
        return KUBERNETES
    if machine.path("/run/.containerenv").exists():
        return PODMAN
    if machine.path("/.dockerenv").exists():
        return DOCKER
    told = machine.read("/run/systemd/container")  # where systemd is in it
    own = machine.read("/proc/1/environ") or ""  # root's to read
    covered = machine.read("/proc/self/mountinfo") or ""
    if told == "lxc" or "container=lxc" in own.split("\0") or re.search(r" /proc/\S+ .* fuse\.lxcfs ", covered):
        return LXC
    return None


def check_container(machine: Machine, container: Container) -> Finding:
    """Say which container this is, and whether a board in it keeps its name."""
    if any(machine.read(str(path)) for path in (*MACHINE_IDS, SERIAL)):
        return Finding("container", "ok", f"this is inside {container.name}")
    text = (
        f"this is inside {container.name}, with neither a machine-id nor the board's serial number: "
        "its name in MQTT is another one in each container"
    )
    return Finding("container", "warning", text, container.mounted(str(MACHINE_IDS[0])))
