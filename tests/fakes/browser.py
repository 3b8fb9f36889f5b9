"""A real Chromium without a window, of a size and colour scheme, that is asked by Selenium."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
FLAGS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "hide-scrollbars",
)  # fmt: skip


@contextlib.contextmanager
def browser(folder: Path, size: str = "desktop", *, dark: bool = False) -> Iterator[Any]:
    """Begin one; skip where there is none."""
    pytest.importorskip("selenium", reason="Selenium is not installed")
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium and ChromeDriver: scripts/live-rig.sh installs them")
    options, (width, height) = Options(), SIZES[size]
    options.binary_location = chromium
    for flag in (*FLAGS, f"user-data-dir={folder / f'{size}-{dark}'}", f"window-size={width},{height}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = Chrome(options, Service(driver))
    try:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        made.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        made.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        made.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == "phone"})
        yield made
    finally:
        made.quit()
