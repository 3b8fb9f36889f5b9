"""A Prometheus of one's own, that reads the configuration in a folder and answers on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.waiting import until

PROGRAM = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROGRAM is None, reason="needs prometheus: scripts/live-rig.sh installs it")


class Prometheus:
    """prometheus with the file prometheus.yml of a folder, where it also keeps its data and its log."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = folder / "prometheus.log"
        command = [str(PROGRAM), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        self._client = httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=20)
        until(self._ready, by=self.process)

    def _ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return what a query gives: a metric and a value each."""
        answer = self._client.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def number(self, query: str) -> float:
        """Return the one value of a query; 0 for none."""
        return float((self.ask(query) or [{"value": (0, 0)}])[0]["value"][1])

    def own(self, name: str) -> float:
        """Return the value of a metric of its own."""
        lines = self._client.get("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def close(self) -> None:
        self._client.close()
        self.process.terminate()
        self.process.wait(30)
