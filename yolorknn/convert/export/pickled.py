"""What a .pt holds, read without running any of it: a pickle's opcodes become plain values and Things.

A pickle is a program: a GLOBAL names a class or function of any package, and REDUCE calls it. Here a GLOBAL stays a
Name, and what would be called or made becomes a Thing, that only says what it would have been. No torch is needed.
"""

from __future__ import annotations

import io
import itertools
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

MOST_BYTES = 2 << 20
"""Of the pickle, without the weights: of the largest models, with the optimizer's state, it has half of that."""
LEGACY = 3
"""Pickles before the object in files of torch before 1.6: a magic number, the protocol, and facts of the machine."""

_FAILURES = (
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error, ValueError, TypeError, KeyError, IndexError,
    AttributeError, EOFError, OverflowError, RecursionError, MemoryError, NotImplementedError, RuntimeError, OSError,
)  # fmt: skip


_Machine: Any = vars(pickle)["_Unpickler"]
"""The one in Python: that in C cannot be told what to call."""


class Unreadable(Exception):
    """The file is no .pt, or not a whole one."""


class Name(NamedTuple):
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Thing:
    """What a pickle would have made by calling `kind`; takes what is put into it and does nothing."""

    kind: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        """Drop it."""

    extend = add = update = append

    @property
    def attributes(self) -> dict[str, Any]:
        """What would have been its __dict__."""
        return self.state if isinstance(self.state, dict) else {}


def check_key(key: Any) -> Any:
    """Return the key of a dict or member of a set, unless hashing it could take for ever, as of tuples of tuples.

    Raises:
        UnpicklingError: it is of another kind than those in checkpoints.
    """
    if isinstance(key, (frozenset, Name)) or (isinstance(key, tuple) and any(isinstance(part, tuple) for part in key)):
        raise pickle.UnpicklingError(f"a {type(key).__name__} is no key")
    return key


class Unpickler(_Machine):  # type: ignore[misc]
    """A pickle's stack machine, where what is named is resolved, called and filled by the methods below alone."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the Name; nothing is imported."""
        return Name({"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module), name)

    def call(self, name: Name, args: tuple[Any, ...]) -> Any:
        """Return what REDUCE is to make."""
        match str(name):
            case "collections.OrderedDict" if not args:
                return {}
            case "builtins.set" | "builtins.list" | "torch.Size" if len(args) == 1:
                return list(args[0])
        return Thing(str(name), args)

    def new(self, name: Name, args: tuple[Any, ...]) -> Any:
        """Return the empty object that NEWOBJ is to make."""
        return Thing(str(name), args)

    def fill(self, thing: Any, state: Any) -> None:
        """Give an object its state."""
        if isinstance(thing, Thing):
            thing.state = state

    def persistent_load(self, pid: Any) -> Any:
        """Return what stands for a storage: ("storage", type, key, device, numel)."""
        return Thing("storage", tuple(pid))

    def load_reduce(self) -> None:
        """Call what is named, and nothing else."""
        args = self.stack.pop()
        name = self.stack.pop()
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise pickle.UnpicklingError("REDUCE of what is no name")
        self.append(self.call(name, args))

    def load_newobj(self) -> None:
        """Make what is named, and nothing else."""
        args = self.stack.pop()
        name = self.stack.pop()
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise pickle.UnpicklingError("NEWOBJ of what is no name")
        self.append(self.new(name, args))

    def load_build(self) -> None:
        """Give the topmost object its state."""
        state = self.stack.pop()
        self.fill(self.stack[-1], state)

    def load_setitem(self) -> None:
        """Put one item into a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][check_key(key)] = value

    def load_setitems(self) -> None:
        """Put items into a dict."""
        items = self.pop_mark()
        for key, value in itertools.zip_longest(items[::2], items[1::2]):
            self.stack[-1][check_key(key)] = value

    def load_dict(self) -> None:
        """Make a dict of items, as protocol 0 does."""
        items = self.pop_mark()
        self.append({check_key(key): value for key, value in itertools.zip_longest(items[::2], items[1::2])})

    def refuse(self) -> None:
        """Refuse an opcode that no checkpoint has."""
        raise pickle.UnpicklingError("an opcode that torch.save does not write")

    dispatch: ClassVar[dict[int, Any]] = {
        **_Machine.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        **dict.fromkeys(
            (code[0] for code in (
                pickle.INST, pickle.OBJ, pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEWOBJ_EX, pickle.FROZENSET,
                pickle.ADDITEMS, pickle.EMPTY_SET, pickle.PERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
            )),
            refuse,
        ),
    }  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What a .pt holds."""

    root: Any
    entries: frozenset[str]
    """Names in the archive without its folder; empty of a file of torch before 1.6."""
    read: Callable[[str], bytes]
    """Gives the bytes of a storage by its key."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a file that is no pickle does to its reader into Unreadable."""
    try:
        yield
    except _FAILURES as exc:
        raise Unreadable(str(exc)) from exc


def contents(path: Path) -> Contents:
    """Read a .pt.

    Raises:
        Unreadable: it is none.
    """
    with reading(path):
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return Contents(_legacy(file), frozenset(), lambda _: b"")
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            root: Any = None
            if "data.pkl" in infos:
                root = Unpickler(_opened(archive, infos["data.pkl"])).load()
        return Contents(root, frozenset(infos), lambda key: _storage(path, infos[f"data/{key}"]))


def _legacy(file: IO[bytes]) -> Any:
    data = io.BytesIO(file.read(MOST_BYTES))  # the weights stand behind the pickle
    if data.getvalue()[:1] != pickle.PROTO:
        raise pickle.UnpicklingError("no pickle")
    first = Unpickler(data).load()
    if not isinstance(first, int):
        return first
    for _ in range(LEGACY - 1):
        Unpickler(data).load()
    return Unpickler(data).load()


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.file_size > MOST_BYTES:
        raise pickle.UnpicklingError(f"a pickle of {info.file_size} bytes")
    return archive.open(info)


def _storage(path: Path, info: zipfile.ZipInfo) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open(info) as file:
        return file.read(4096)
