"""Text of others made safe to show: no control characters for the terminal, no second line, no password of a URL."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Container, Sequence
from typing import Any

# What moves the cursor, changes colours, ends the line or turns the direction of writing; bytes of a file's name that
# are no UTF-8, which Python holds as lone surrogates; and what is not to be seen at all.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff"
)
_UNSAFE_CHARACTER = re.compile(f"[{_UNSAFE}]")
_UNSAFE_BUT_NEWLINE = re.compile(f"(?!\n)[{_UNSAFE}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]+):(/+)(\S*)")
_PLACE = re.compile(r"[^?#]*")
_HARMLESS = frozenset(
    ("channel", "ch", "subtype", "stream", "profile", "resolution", "width", "height", "fps", "codec")
)
"""Names of values in a URL's query that are shown; all others may be a password by some maker's name for it."""
_FULL = re.compile(r"\d+ requested and \d+ written")
"""numpy's words where the disk is full, in place of the operating system's."""
_SECRET = re.compile(r"((?:pass|pwd|psw|token|secret|auth|key)\w*=)[^/]*", re.IGNORECASE)


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return the text with each character that a terminal would act on written as \x1b is here.

    Args:
        text: of anyone.
        lines: whether its line ends are ours, and stay.
    """
    pattern = _UNSAFE_BUT_NEWLINE if lines else _UNSAFE_CHARACTER
    return pattern.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    digits = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(character, digits)


def is_text(name: str) -> bool:
    """Tell whether a name or URL is text throughout: of bytes that are no UTF-8 Python keeps what cannot be encoded."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_secrets(text: str) -> str:
    """Return the text with what may be a password left out of every URL in it."""
    return _URL.sub(lambda found: f"{found[1]}:{found[2]}{_rest(found[3])}", text) if ":/" in text else text


def shown(text: object, *, lines: bool = False) -> str:
    """Return what may be shown of a text, an error or a path; see printable() and without_secrets()."""
    return printable(without_secrets(str(text)), lines=lines)


def shown_url(url: str) -> str:
    """Return what may be shown of a URL; a password in it may hold anything, blanks too."""
    scheme, mark, rest = url.partition("://")
    return printable(f"{scheme}://{_rest(rest)}" if mark else without_secrets(url))


def has_password(url: str) -> bool:
    """Tell whether a URL has a password, behind its user or as a value that is called like one."""
    _, mark, rest = url.partition("://")
    return bool(mark) and bool(rest.rpartition("@")[0].partition(":")[2] or _SECRET.search(rest))


def reason_of(exc: object) -> str:
    """Return what an exception says, without number and file name where the operating system refused."""
    said = str(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)
    return _FULL.sub("No space left on device", said)


def short_reason(exc: object) -> str:
    """Return the first line of what an exception says, as those of torch say many."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0][:200] if lines else "no reason given"


def url_name(url: str) -> str:
    """Return a name for files and folders after a URL's host, path and channel: letters, digits and single hyphens."""
    place = re.split(r"[?#]", shown_url(url).partition("://")[2])[0]
    return re.sub(r"[^\w.-]+", "-", "-".join([place, *url_channel(url)]), flags=re.ASCII)[:100].strip("-.")


def url_channel(url: str) -> list[str]:
    """Return what of a URL's query says which camera of a recorder it is: none is to be taken for another."""
    query = re.split(r"[?#&;]", "".join(re.split(r"[?#]", shown_url(url), maxsplit=1)[1:]))
    return [value for value in query if "=" in value and value.partition("=")[0].lower() in _HARMLESS]


def file_word(text: str) -> str:
    """Return a text as a part of a file's name: letters of all scripts, digits, dots and hyphens."""
    return re.sub(r"[^\w.-]+", "-", text)[:100].strip(".-") or "unnamed"


def _rest(rest: str) -> str:
    """Return what follows the slashes of a URL without secrets; the last @ ends a password, whatever is before it."""
    place = rest.rpartition("@")[2]
    end = _PLACE.match(place).end()  # type: ignore[union-attr]  # it matches nothing, too
    query = re.sub(r"[^?#&;]+", lambda found: _parameter(found[0]), place[end:])
    return _SECRET.sub(r"\1***", place[:end]) + query


def _parameter(text: str) -> str:
    name, mark, _ = text.partition("=")
    return text if name.lower() in _HARMLESS else f"{name}=***" if mark else "***"


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return JSON for people and programs: letters of all scripts as they are, what is unsafe on a terminal escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isascii() and "\x7f" not in text:  # JSON itself escapes what is below a space
        return text
    # Where JSON has such a character as it is, it stands in a string; line ends of `indent` are its only others.
    return _UNSAFE_BUT_NEWLINE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def aligned(lines: Sequence[Sequence[str]], *, right: Container[int] = ()) -> str:
    """Return cells as a table of text, each line of which has as many; `right` are the columns of numbers."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def quoted(*words: str) -> str:
    """Return words of a command to be typed in a shell, each quoted where it must be; safe to show.

    A word with characters that cannot be shown is written as $'...', which bash, zsh and busybox read.
    """
    return " ".join(shlex.quote(word) if printable(word) == word else _ansi_quoted(word) for word in words)


def _ansi_quoted(word: str) -> str:
    try:
        data = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that is no byte of a file's name
        data = word.encode("utf-8", "replace")
    return (
        "$'"
        + "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in data)
        + "'"
    )
