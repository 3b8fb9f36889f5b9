"""An sshd of the tests' own, on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes import sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    server = sshd.Sshd(tmp_path_factory.mktemp("sshd") / "server")
    yield server
    server.close()
