"""The doctor inside a container: which one it is, what is missing, and the option of it that lets that in."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.trees import Tree, by_check
from yolorknn.doctor.examine import examine
from yolorknn.doctor.machine import Finding

# The lines of mountinfo are those of proc(5), written by lxcfs in the second.
LXCFS = "901 880 0:58 /proc/meminfo /proc/meminfo rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw,user_id=0,group_id=0\n"
HOSTS_OWN = "41 25 0:36 / /var/lib/lxcfs rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw,user_id=0,group_id=0\n"
SIGNS: dict[str, dict[str, str]] = {
    "Docker": {"/.dockerenv": ""},
    "Podman": {"/run/.containerenv": 'engine="podman-5.4.2"\n'},
    "Kubernetes": {"/etc/hosts": "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"},
    "LXC": {"/run/systemd/container": "lxc"},
    "LXC without systemd": {"/proc/1/environ": "PATH=/sbin\0container=lxc\0"},
    "LXC with lxcfs": {"/proc/self/mountinfo": LXCFS},
    "Kubernetes on Docker": {"/etc/hosts": "# Kubernetes-managed hosts file.\n", "/.dockerenv": ""},
}


def inside(tree: Tree, kind: str) -> Tree:
    for name, text in SIGNS[kind].items():
        tree.write(name, text)
    tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    return tree


def found(tree: Tree) -> dict[str, Finding]:
    return by_check(examine(tree.machine))


@pytest.mark.parametrize("kind", SIGNS)
def test_which_it_is(tree: Tree, kind: str) -> None:
    findings = examine(inside(tree, kind).machine)
    assert findings[0].text == f"this is inside {kind.split(maxsplit=1)[0]}"
    assert {finding.status for finding in findings} == {"ok"}, findings


def test_what_is_none(tree: Tree) -> None:
    """A board whose own name is in /etc/hosts, on which lxcfs and systemd run."""
    tree.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 board\n")
    tree.write("/proc/self/mountinfo", HOSTS_OWN)
    tree.write("/proc/1/environ", "PATH=/sbin\0TERM=linux\0")
    assert "container" not in found(tree)


def no_tree(tree: Tree) -> None:
    tree.remove("/proc/device-tree")


def no_device(tree: Tree) -> None:
    tree.remove("/dev/dri")


def no_library(tree: Tree) -> None:
    tree.remove("/usr/lib/librknnrt.so")


def shut(tree: Tree) -> None:
    (tree.root / "dev/dri/renderD129").chmod(0o600)


GROUP = os.getgid()
MENDED: dict[tuple[str, Callable[[Tree], None]], tuple[str, str]] = {
    ("Docker", no_tree): ("chip", "docker run --security-opt systempaths=unconfined ..."),
    ("Docker", no_device): ("device", "docker run --device /dev/dri ..."),
    ("Docker", no_library): ("librknnrt", "docker run -v /usr/lib/librknnrt.so:/usr/lib/librknnrt.so:ro ..."),
    ("Docker", shut): ("device", f"docker run --group-add {GROUP} ..."),
    ("Podman", no_tree): ("chip", "podman run --security-opt unmask=/sys/firmware ..."),
    ("Podman", no_device): ("device", "podman run --device /dev/dri ..."),
    ("Podman", no_library): ("librknnrt", "podman run -v /usr/lib/librknnrt.so:/usr/lib/librknnrt.so:ro ..."),
    ("Podman", shut): ("device", "podman run --group-add keep-groups ..."),
    ("Kubernetes", no_tree): ("chip", "securityContext: {privileged: true}  # in the pod's manifest"),
    ("Kubernetes", no_device): (
        "device",
        "hostPath: {path: /dev/dri} and securityContext: {privileged: true}  # in the pod's manifest",
    ),
    ("Kubernetes", no_library): (
        "librknnrt",
        "hostPath: {path: /usr/lib/librknnrt.so, type: File}  # in the pod's manifest",
    ),
    ("Kubernetes", shut): ("device", f"supplementalGroups: [{GROUP}]  # in the pod's manifest"),
    ("LXC", no_tree): ("chip", "lxc.mount.auto = proc:mixed sys:mixed  # in the container's configuration"),
    ("LXC", no_device): (
        "device",
        "lxc.mount.entry = /dev/dri dev/dri none bind,create=dir; lxc.cgroup2.devices.allow = c MAJOR:* rwm"
        "  # in the container's configuration",
    ),
    ("LXC", no_library): (
        "librknnrt",
        "lxc.mount.entry = /usr/lib/librknnrt.so usr/lib/librknnrt.so none bind,ro,create=file"
        "  # in the container's configuration",
    ),
    ("LXC", shut): ("device", "sudo usermod -aG render,video $USER  # then log in again"),
}


@pytest.mark.parametrize(("kind", "spoil"), MENDED, ids=lambda part: getattr(part, "__name__", part))
def test_what_mends_it(tree: Tree, kind: str, spoil: Callable[[Tree], None]) -> None:
    spoil(inside(tree, kind))
    check, fix = MENDED[kind, spoil]
    findings = found(tree)
    assert findings[check].status == "problem" and findings[check].fix == fix
    assert [name for name, one in findings.items() if one.status != "ok"] == [check]


def test_the_device_is_the_one_that_the_kernel_has(tree: Tree) -> None:
    no_device(inside(tree, "Docker"))
    tree.write("/sys/class/misc/rknpu/dev", "10:120\n")
    assert found(tree)["device"].fix == "docker run --device /dev/rknpu ..."


def test_another_card_will_do_where_the_wheel_does_not_ask(tree: Tree) -> None:
    """rknn-toolkit-lite2 looks for renderD129 where there is /.dockerenv; librknnrt itself looks for none by name."""
    tree.remove("/dev/dri/renderD129")
    assert found(inside(tree, "Podman"))["device"].status == "ok"
    tree.write("/.dockerenv", "")
    tree.remove("/run/.containerenv")
    assert "which rknn-toolkit-lite2 asks for there" in found(tree)["device"].text
    tree.packages(rknn_toolkit_lite2=None)
    assert found(tree)["device"].status == "ok"


def test_a_device_that_was_only_mounted(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's answer to who opens a device that the container's cgroup does not have."""
    opened = os.open

    def barred(path: Path, *rest: int) -> int:
        if "/dev/dri/" in str(path):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return opened(path, *rest)

    inside(tree, "Docker")
    monkeypatch.setattr(os, "open", barred)
    finding = found(tree)["device"]
    assert "may not be opened here, as it was mounted and not let in as a device" in finding.text
    assert (finding.status, finding.fix) == ("problem", "docker run --device /dev/dri ...")


def test_a_name_that_does_not_last(tree: Tree) -> None:
    inside(tree, "Docker")
    tree.remove("/etc/machine-id")
    finding = found(tree)["container"]
    assert finding.status == "warning" and "its name in MQTT is another one in each container" in finding.text
    assert finding.fix == "docker run -v /etc/machine-id:/etc/machine-id:ro ..."
    tree.write("/proc/device-tree/serial-number", "9f2c61a1d3b87e05\0")
    assert found(tree)["container"].status == "ok"
