"""On which line of a site file a key is."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from yolorknn.site.places import lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_lines_of_keys() -> None:
    text = """# [no]
a = 1 # = [
"b c".d = '''
[not]
x = 1
'''
[t."u.v"] # b
e = [
  1, # ]
  "]",
]
  'f' = { g = 1 }
[[h]]
i = \"\"\"\\\"\"\" = 1\"\"\"
[t.w]
j = '''it's'''
k = 2020-01-01T00:00:00
"""
    assert tomllib.loads(text)
    assert lines_of(text) == {
        ("a",): 2, ("b c",): 3, ("b c", "d"): 3, ("t",): 7, ("t", "u.v"): 7, ("t", "u.v", "e"): 8,
        ("t", "u.v", "f"): 12, ("h",): 13, ("h", "i"): 14, ("t", "w"): 15, ("t", "w", "j"): 16, ("t", "w", "k"): 17,
    }  # fmt: skip


@given(st.text(st.sampled_from("ab.=[]\"'#\n\\{} ,1\u00e9"), max_size=60))
def test_lines_of_any_text(text: str) -> None:
    """Nothing is raised, also of what is no TOML; of what is, each key that stands by itself has its line."""
    found = lines_of(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert {where[0] for where in found} == set(values)
