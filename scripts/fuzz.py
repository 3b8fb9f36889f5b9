"""Every parser of what others wrote, fed with real inputs changed at random: scripts/fuzz.py [SECONDS] [PARSER ...].

The inputs that a parser answers with an error that is not its own, in over a second, or with 500 MB, are kept in
fuzz-found/, and the status is 1. tests/test_hostile.py is the short form of it.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.fakes.parsers import PARSERS, Parser

LIMIT_SECONDS, LIMIT_KB = 1.0, 500_000
WORDS = [
    b"0", b"-1", b"1e999", b"9" * 5000, b"nan", b"null", b"true", b"[]", b"{}", b'""', b"'", b'"', b"\\", b"\n", b"\0",
    b"[" * 5000, b"{" * 5000, b"(" * 5000, b" " * 20000, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x80\x02", b"&a *a",
    b"<<: ",    b"\x1b[31m", b"\xed\xa0\x80", b"://a:b@c", b"2020-99-99", b"!!set", b"1.2.3",
    b"-0", b"%", b"$(x)", b"../..",
]  # fmt: skip


def changed(data: bytes, seeds: list[bytes]) -> bytes:
    """Return an input with some of it changed."""
    found = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        at = random.randrange(len(found) + 1)
        length = random.choice((1, 1, 2, 4, 8, 64))
        match random.randrange(7):
            case 0:
                found[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                found[at : at + length] = random.randbytes(length)
            case 2:
                del found[at : at + length]
            case 3:
                found[at:at] = found[at : at + length] * random.choice((1, 2, 100))
            case 4:
                found[at : at + random.choice((0, length))] = random.choice(WORDS)
            case 5:
                other = random.choice(seeds)
                start = random.randrange(len(other) + 1)
                found[at:at] = other[start : start + length]
            case 6 if random.random() < 0.2:
                del found[at:]
    return bytes(found)


def tell(parser: Parser, path: Path, what: str, folder: Path) -> None:
    """Keep an input that was not answered as it must be."""
    folder.mkdir(exist_ok=True)
    kept = folder / f"{parser.name}-{time.time_ns()}{parser.suffix}"
    kept.write_bytes(path.read_bytes())
    print(f"{parser.name}: {what}\n  {kept}", flush=True)


def answered(parser: Parser, path: Path) -> str | None:
    """Return what is wrong with a parser's answer to a file."""
    start = time.process_time()
    try:
        parser.parse(path)
    except parser.raises as exc:
        if "\n" in str(exc):
            return f"an error of several lines: {exc!r}"
    except Exception:
        return traceback.format_exc()
    took = time.process_time() - start
    return f"{took:.1f} s" if took > LIMIT_SECONDS else None


def main() -> int:
    """Fuzz the parsers in turn."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    parsers = [PARSERS[name] for name in sys.argv[2:]] or list(PARSERS.values())
    found, tried, until = 0, 0, time.monotonic() + seconds
    known: set[str] = set()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="yolorknn-fuzz-") as name:
        folder = Path(name)
        seeds = {parser.name: parser.seeds(folder) for parser in parsers}
        while time.monotonic() < until:
            parser = random.choice(parsers)
            path = folder / f"input{parser.suffix}"
            path.write_bytes(changed(random.choice(seeds[parser.name]), seeds[parser.name]))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            what = answered(parser, path)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            what = what or (f"{grown // 1000} MB" if grown > LIMIT_KB else None)
            tried += 1
            sign = f"{parser.name} {(what or '').splitlines()[-1:]}"
            if what and sign not in known:
                known.add(sign)
                found += 1
                tell(parser, path, what, Path("fuzz-found"))
    print(f"{tried} inputs, {found} not answered as they must be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
