"""What ssh says, in words; the connection itself is tested on the emulated board."""

from __future__ import annotations

from pathlib import Path

import pytest

from yolorknn import DeployError
from yolorknn.deploy.ssh import Done, Remote


def test_the_reason_of_a_failure() -> None:
    assert Done(1, "", "ERROR: Could not\n\nhint: x\n").reason == "Could not"
    assert Done(1, "", "a\nb\n").reason == "b" and Done(3, "", "").reason == "exit status 3"


def test_no_ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DeployError, match="sudo apt install openssh-client"), Remote("board"):
        pass
    assert list(tmp_path.iterdir()) == []
