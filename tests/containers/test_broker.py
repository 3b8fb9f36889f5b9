"""containers/mosquitto.conf in a real mosquitto: whoever has the password is let in, and nobody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.containers.dockerfile import FOLDER
from tests.fakes.mosquitto import PROGRAM, needs_mosquitto
from tests.fakes.waiting import until
from yolorknn.stream.sinks.mqtt.address import Address
from yolorknn.stream.sinks.mqtt.client import Client, Lost


@needs_mosquitto
@pytest.mark.skipif(not shutil.which("mosquitto_passwd"), reason="needs mosquitto_passwd, which is beside mosquitto")
def test_who_is_let_in(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config, passwords, kept = tmp_path / "mosquitto.conf", tmp_path / "mosquitto.passwords", tmp_path / "data"
    kept.mkdir()
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "board", "s3cret"], check=True)
    text = (FOLDER / "mosquitto.conf").read_text()
    for inside, here in (("listener 1883", f"listener {port} 127.0.0.1"), ("/mosquitto/config", tmp_path)):
        assert inside in text
        text = text.replace(inside, str(here))
    mine = "user root\n" if os.geteuid() == 0 else ""  # the folder of a test is nobody else's
    config.write_text(text.replace("/mosquitto/data", str(kept)) + mine)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(PROGRAM), "-c", str(config)], stdout=log, stderr=log)
    try:
        until(lambda: b"running" in (tmp_path / "log").read_bytes(), by=process)
        for user, password in (("board", "s3cret"), ("board", "wrong"), ("", "")):
            client = Client(Address("127.0.0.1", port, user=user, password=password), "one", None)
            if password == "s3cret":
                client.connect()
                client.disconnect()
            else:
                with pytest.raises(Lost, match=r"Not authorized|Bad user name or password"):
                    client.connect()
                client.close()
    finally:
        process.terminate()
        process.wait(30)
    assert (kept / "mosquitto.db").exists(), "what is retained outlives the broker"
