"""Every parser answers what anyone may have written with its own error, in one sentence, within a second and 500 MB.

scripts/fuzz.py does the same for as long as it is let.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import needs_ort, needs_torch
from tests.fakes.mutations import bytes_like, like
from tests.fakes.parsers import PARSERS, text_seeds

pytestmark = [needs_torch, needs_ort]
SECONDS = 5.0
"""The bound is one; machines that run tests are busy."""
FOLDER = Path(tempfile.mkdtemp(prefix="yolorknn-hostile-"))


@pytest.fixture(scope="module", autouse=True)
def _folder() -> object:
    import shutil

    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


def check(name: str, data: bytes) -> None:
    """Give a parser its input; what it raises must be its own, and one line."""
    parser = PARSERS[name]
    path = FOLDER / f"{name}{parser.suffix}"
    path.write_bytes(data)
    start = time.perf_counter()
    try:
        parser.parse(path)
    except parser.raises as exc:
        assert "\n" not in str(exc), exc
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize("name", PARSERS)
def test_the_seeds_are_read(name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    parser = PARSERS[name]
    read = 0
    for number, seed in enumerate(parser.seeds(FOLDER)):
        path = FOLDER / f"seed{number}{parser.suffix}"
        path.write_bytes(seed)
        try:
            parser.parse(path)
            read += 1
        except parser.raises:
            continue
    assert read or name in ("data.yaml", "toml", "layers"), "of the others, what they name is not there"


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_mutations(name: str, data: st.DataObject) -> None:
    FOLDER.mkdir(exist_ok=True)
    seed = data.draw(st.sampled_from(PARSERS[name].seeds(FOLDER)))
    check(name, data.draw(bytes_like(seed)))


@pytest.mark.parametrize("name", ["metadata", "predictions"])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_other_values(name: str, data: st.DataObject) -> None:
    FOLDER.mkdir(exist_ok=True)
    (seed,) = text_seeds(PARSERS[name], FOLDER)
    check(name, json.dumps(data.draw(like(seed))).encode())


DEEP = 20_000


def aliases(first: str, more: str) -> bytes:
    """Return YAML of 20 lines, each of which holds the one before it eight times."""
    lines = [f"a: &a {first}"]
    lines += [f"{chr(n + 1)}: &{chr(n + 1)} {more.format(','.join([f'*{chr(n)}'] * 8))}" for n in range(97, 116)]
    return "\n".join([*lines, ""]).encode()


BOMBS: dict[str, list[bytes]] = {
    "metadata": [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b'{"names": [1e999], "imgsz": [1e308, 1]}',
        b'{"imgsz": [' + b"9" * 5000 + b"]}",
    ],
    "data.yaml": [
        aliases("[x,x,x]", "[{}]") + b"names: *s\n",
        aliases("{x: 1}", "{{<<: [{}]}}"),
        b"&a [*a]",
        b"names: &a {0: *a}\nval: x",
        b"[" * DEEP,
        b"- " * DEEP,
        b"a: 2020-99-99",
        b"names: {0: a, x: b, 2020-01-01: c}",
        b"names: [[a]]\nval: .",
        b"? [a]\n: b",
        b"nc: 0o9\nnames: 1:2:3",
        b"val: \xff\xfe",
        b"names: [a]\nval: " + b"x" * 5000,
        b'names: [a]\nval: "\\0"',
        b"x: " + b"9" * 5000,
        b"val: !!python/object/apply:os.system ['true']",
        b"a: !!binary x\nb: !!timestamp x",
        b"!!set {a}",
        b"x: .inf\nnc: .nan\nnames: [a]\nval: .",
    ],
    "toml": [
        b"a=" + b"[" * DEEP,
        b"a." * DEEP + b"a=1",
        b"a=2020-01-01",
        b"a=" + b"9" * 5000,
        b"[config]\na=inf",
        b"config=1",
        b"float16=[1]",
        b"\xff",
        b"algorithm=2020-01-01",
    ],
    "layers": [
        b" " * 200_000,
        b"Network Layer Information Table\n---\n---\n" + b"1 " * 100_000,
        b"\x1b[" * 100_000,
        (b" " * 4000 + b"x\n") * 200,
        b"1 a b NPU c d 1/2/" + b"9" * 5000,
    ],
    "errors": [
        b"[a] b" + b" " * 200_000 + b"x",
        (b" 1 | 2" * 30_000),
        b"[" + b"a" * 200_000,
        (b" " * 4000 + b"x\n") * 200,
    ],
    "profile": [
        b"\n" * 200_000,
        b"Total Time(us): " + b"9" * 5000,
        b"Total Time(us): 1.2.3",
        b"Total Time(us): .",
        b" " * 200_000,
        b"Conv " * 50_000,
        b"-" * 200_000,
        b"Total Memory: 1.2.3 MiB",
    ],
    "labels": [
        b"0 " * 200_000,
        b"9" * 5000 + b" 0.5 0.5 0.1 0.1",
        b"nan nan nan nan nan",
        b"inf 0 0 0 0",
        b"0 1e999 0 0 0",
        b"\xff",
    ],
    "packed": [b"yolorknn1:" + b"0" * 100_000, b"yolorknn1:\xe9"],
    "text": [b"a:/" * 50_000, b"rtsp://" + b"@" * 100_000, b"key=" * 50_000, b"9." * 50_000, b"a" * 300_000],
    "picture": [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8" + b"\xff" * 300_000,
        b"\xff\xd8" + b"\0" * 300_000,
        b"P6 99999999 99999999 255\n",
        b"P6" + b" " * 300_000,
        b"#?" + b"\n+" * 50_000,
    ],
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for data in BOMBS[name]:
        check(name, data)
