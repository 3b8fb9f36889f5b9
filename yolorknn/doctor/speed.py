"""The doctor's checks of what makes a board slow: its clocks, what else runs on the NPU, and heat."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yolorknn.doctor.machine import Finding, Machine
from yolorknn.text import quoted

HOT = 85
"""Degrees Celsius; about there the kernels of these boards lower the clocks."""


def check_clocks(machine: Machine) -> Iterator[Finding]:
    """Look at the governors of the NPU and the CPU, and at the NPU's ceiling."""
    yield from _npu_clock(machine)
    yield from _cpu_clock(machine)


def _npu_clock(machine: Machine) -> Iterator[Finding]:
    for npu in machine.glob("/sys/class/devfreq/*npu*"):
        governor, now = machine.read(f"{npu}/governor") or "?", machine.number(f"{npu}/cur_freq") or 0
        steps = [
            int(step)
            for step in (machine.read(f"{npu}/available_frequencies") or "").split()
            if re.fullmatch(r"\d{1,18}", step, re.ASCII)
        ]
        most, ceiling = max(steps, default=0), machine.number(f"{npu}/max_freq") or 0
        text = f"governor {governor}, {now // 1_000_000} MHz of {max(most, ceiling) // 1_000_000}"
        if governor in ("powersave", "userspace"):
            yield Finding("NPU clock", "warning", text, f"echo performance | sudo tee {quoted(npu)}/governor")
        elif 0 < ceiling < most:
            yield Finding("NPU clock", "warning", f"{text}, limited", f"echo {most} | sudo tee {quoted(npu)}/max_freq")
        else:
            yield Finding("NPU clock", "ok", text)


def _cpu_clock(machine: Machine) -> Iterator[Finding]:
    policies = machine.glob("/sys/devices/system/cpu/cpufreq/policy*")
    governors = {policy: machine.read(f"{policy}/scaling_governor") or "?" for policy in policies}
    slow = [policy for policy, governor in governors.items() if governor == "powersave"]
    clocks = [(machine.number(f"{policy}/scaling_cur_freq") or 0) // 1000 for policy in policies]
    text = f"governor {', '.join(sorted(set(governors.values())))}; {', '.join(map(str, clocks))} MHz"
    if slow:
        fix = "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
        yield Finding("CPU clock", "warning", f"{text}: boxes are decoded on the CPU", fix)
    elif policies:
        yield Finding("CPU clock", "ok", text)


def check_load(machine: Machine) -> Iterator[Finding]:
    """Look at how busy the NPU is, where the kernel says it."""
    loads = [int(load) for load in re.findall(r"\b(\d{1,9})%", machine.read("/sys/kernel/debug/rknpu/load") or "")]
    if not loads:
        return
    text = f"NPU cores are {', '.join(f'{load}%' for load in loads)} busy"
    if max(loads) >= 50:
        yield Finding("NPU load", "warning", f"{text}: something else runs on it", "sudo fuser -v /dev/dri/renderD*")
    else:
        yield Finding("NPU load", "ok", text)


def check_heat(machine: Machine) -> Iterator[Finding]:
    """Look at the hottest of the thermal zones."""
    zones = machine.glob("/sys/class/thermal/thermal_zone*")
    degrees = {machine.read(f"{zone}/type") or zone: (machine.number(f"{zone}/temp") or 0) / 1000 for zone in zones}
    if not degrees:
        return
    name, most = max(degrees.items(), key=lambda item: item[1])
    text = f"{most:.0f} °C at most ({name})"
    if most >= HOT:
        fix = "watch -n1 'cat /sys/class/thermal/thermal_zone*/temp'  # and cool it: a heat sink, a fan"
        yield Finding("temperature", "warning", f"{text}: the clocks are being lowered", fix)
    else:
        yield Finding("temperature", "ok", text)
