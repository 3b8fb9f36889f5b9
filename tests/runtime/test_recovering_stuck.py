"""A runtime that is stuck: what a fresh context confirmed once is not believed for ever, and a stop is no slowness."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.fakes.scripted_core import FINE, Core, rgb, same
from yolorknn.errors import BackendError, CoreHungError
from yolorknn.runtime import recovering
from yolorknn.runtime.mark import FIRST_BELIEVED
from yolorknn.runtime.patience import Patience


def test_a_runtime_that_gets_stuck_after_outputs_were_rightly_alike(core: Callable[..., Core]) -> None:
    """As a wheel whose runs fail from some time on, which it does not tell, after a still scene."""
    one = core([FINE], [FINE, *["stale"] * 99])
    backend = one.backend()
    for shade in range(2):
        image = rgb(1)
        image[16, 5] = shade
        assert same(backend.infer(image), 1)
    found = []
    for shade in range(FIRST_BELIEVED + 2):
        image = rgb(2)
        image[16, 5] = shade
        found.append(same(backend.infer(image), 2))
    assert found[-1], "it was believed for ever"
    backend.close()


def test_what_was_confirmed_goes_on_where_no_other_context_can_be_opened(core: Callable[..., Core]) -> None:
    """As the file is another by now: a check costs neither a frame nor the core."""
    one = core([FINE], [FINE], *[BackendError("m.rknn was replaced")] * 99)
    backend = one.backend()
    for shade in range(4 * FIRST_BELIEVED):
        image = rgb(1)
        image[16, 5] = shade
        assert same(backend.infer(image), 1)
    assert len(one.opened) == 2 and one.opened[0].closed and len(one.scripts) < 99
    backend.close()


def test_a_process_that_was_stopped_waits_no_longer_for_a_hung_core(
    core: Callable[..., Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that is paused for an hour, in the middle of an inference."""
    one = core([FINE, "hang"])
    backend = one.backend(Patience(first=5, factor=2, least=0.2))
    with monkeypatch.context() as patch:
        patch.setattr(recovering, "time", SimpleNamespace(monotonic=iter([0.0, 3600.0]).__next__))
        assert same(backend.infer(rgb(1)), 1)
    with pytest.raises(CoreHungError, match=r"gave no answer in 0\.\d s"):
        backend.infer(rgb(2))
    backend.close()
