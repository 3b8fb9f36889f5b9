"""What lasted: as a look at the whole shows it, however seldom the sights are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from yolorknn.tracking.inertia import Change, Inertia

RISE, FALL = 0.5, 1.0


def lasting(flips: list[float], end: float) -> list[tuple[bool, float]]:
    """Brute force: what of a state that begins False and changes at these moments lasted, until the end."""
    settled, found = False, []
    spans = [(bool(number % 2), begin) for number, begin in enumerate([0.0, *flips])]
    for (state, begin), (_, over) in zip(spans, [*spans[1:], (False, end)], strict=True):
        if state != settled and over - begin >= (RISE if state else FALL) - 1e-6:
            settled = state
            found.append((state, begin))
    return found


@given(st.lists(st.integers(21, 300), max_size=20), st.sampled_from([1, 3, 6]))
@settings(max_examples=200, deadline=None)
def test_what_lasts_is_said_at_any_rate(gaps: list[int], every: int) -> None:
    """Sights are at every 1, 3 or 6 hundredths of 3.3 s; no two changes are between two of them."""
    flips = [sum(gaps[: number + 1]) / 100 for number in range(len(gaps))]
    end = (flips[-1] if flips else 0.0) + 2.0
    inertia, said = Inertia(settled=False, rise=RISE, fall=FALL), []
    moments = [number * every * 0.033 for number in range(1, int(end / (every * 0.033)))]
    for now in moments:
        before = [flip for flip in flips if flip <= now]
        state = bool(len(before) % 2)
        said += inertia.see(state, Change(state, before[-1] if before else 0.0, True), now)
    assert [(change.to, change.moment) for change in said] == lasting(
        [f for f in flips if f <= moments[-1]], moments[-1]
    )


def test_what_is_pending_in_the_end() -> None:
    inertia = Inertia(settled=False, rise=RISE, fall=FALL)
    assert inertia.see(True, Change(True, 1.0, False), 1.1) == [] and not inertia.settled
    assert inertia.finish() == [(True, 1.0, False)] and inertia.settled and inertia.finish() == []
