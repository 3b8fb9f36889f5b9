"""Values and texts like those that are asked for, and not quite."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan"), "", "a", "0",
     "\0", "\x1b[31m", "a\nb", "\ud800", "é東", "x" * 300, [], {}, [[]], [{}], {"": ""}, [1, 2, 3], [None], "1" * 5000,
     {"a": {"b": {"c": []}}}]
)  # fmt: skip
"""What programs do not expect."""


@st.composite
def like(draw: st.DrawFn, value: Any) -> Any:
    """Return a value of which one part is odd, absent, doubled, or of another type."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value, key=str)))
        changed = dict(value)
        match draw(st.sampled_from(["inside", "inside", "inside", "gone", "more"])):
            case "inside":
                changed[key] = draw(like(value[key]))
            case "gone":
                del changed[key]
            case _:
                changed[draw(st.sampled_from(["", "x", "\0", key + "_"]))] = draw(ODD)
        return changed
    if isinstance(value, (list, tuple)) and value and draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(value) - 1))
        items = list(value)
        match draw(st.sampled_from(["inside", "inside", "inside", "gone", "doubled"])):
            case "inside":
                items[at] = draw(like(items[at]))
            case "gone":
                del items[at]
            case _:
                items.insert(at, items[at])
        return items
    return draw(ODD)


@st.composite
def bytes_like(draw: st.DrawFn, data: bytes) -> bytes:
    """Return a file's bytes cut off, or with some changed, gone, or there twice."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        length = draw(st.sampled_from([1, 1, 2, 4, 8, 100]))
        match draw(st.sampled_from(["change", "change", "numbers", "gone", "twice", "cut"])):
            case "change":
                changed[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "numbers":
                changed[at : at + length] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * length
            case "gone":
                del changed[at : at + length]
            case "twice":
                changed[at:at] = changed[at : at + length]
            case _:
                del changed[at:]
    return bytes(changed)
