"""What is told once is told once, from however many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from yolorknn import progress


def test_once_each(caplog: pytest.LogCaptureFixture) -> None:
    progress._tell.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(progress.tell_once, ["50 % of one", "two"] * 40))
    assert sorted(record.getMessage() for record in caplog.records) == ["50 % of one", "two"]
