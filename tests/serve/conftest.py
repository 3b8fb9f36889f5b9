"""Pages that the tests of a module ask; no thread of them is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.served import Served, serving
from tests.fakes.waiting import until
from yolorknn.serve.page import Page

pytest.importorskip("av", reason="PyAV is not installed")
TOKEN = "a-token-of-the-tests-0123456789"


@pytest.fixture(scope="module", autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    until(lambda: set(threading.enumerate()) <= before)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, no_thread_is_left: None) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served"), absent=["attic"]) as made:
        yield made


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Page]:
    with Page(served.watcher, served.hub, port=0) as made:
        yield made


@pytest.fixture(scope="module")
def ask(page: Page) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, trust_env=False, timeout=20) as client:
        yield client
