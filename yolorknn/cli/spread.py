"""What `--ray` of `val` and of the gate says: where work is done side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yolorknn.measure.spread import Spread


@contextmanager
def spread_at(address: str | None) -> Iterator[Spread | None]:
    """Yield the workers of a Ray cluster; None without an address."""
    if address is None:
        yield None
        return
    from yolorknn.integrations.ray.spread import spread_over

    with spread_over(address) as spread:
        yield spread
