"""Outputs that come again, rightly or not: what a fresh context confirmed once is not believed for ever."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.scripted_core import FINE, Core, rgb, same
from yolorknn.errors import BackendError
from yolorknn.runtime.mark import FIRST_BELIEVED


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
