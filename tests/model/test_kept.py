"""The model before the one that runs, kept beside it under its sha256."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from yolorknn.errors import ModelError, OutputError
from yolorknn.model.kept import replace, take_back


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(folder: Path, content: bytes, *, beside: bytes | None = None) -> tuple[str | None, str]:
    (folder / "new").mkdir(exist_ok=True)
    (folder / "new/m.rknn").write_bytes(content)
    if beside is not None:
        (folder / "new/m.json").write_bytes(beside)
    return replace(folder / "m.rknn", folder / "new/m.rknn")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_two_are_kept_and_one_is_taken_back(tmp_path: Path) -> None:
    assert put(tmp_path, b"a") == (None, digest(b"a")) and files(tmp_path) == {"m.rknn": b"a"}
    assert put(tmp_path, b"b") == (digest(b"a"), digest(b"b"))
    kept = {content: f"m.{digest(content)[:12]}.rknn" for content in (b"a", b"b", b"c")}
    assert files(tmp_path) == {"m.rknn": b"b", kept[b"a"]: b"a"}
    os.utime(tmp_path / kept[b"a"], (1, 1))
    assert put(tmp_path, b"b") == (digest(b"b"), digest(b"b")) and put(tmp_path, b"c") == (digest(b"b"), digest(b"c"))
    assert files(tmp_path) == {"m.rknn": b"c", kept[b"a"]: b"a", kept[b"b"]: b"b"}
    assert take_back(tmp_path / "m.rknn", digest(b"b")) == (digest(b"c"), digest(b"c")), "it is another one"
    assert take_back(tmp_path / "m.rknn", digest(b"c")) == (digest(b"c"), digest(b"b"))
    assert files(tmp_path)["m.rknn"] == b"b"
    put(tmp_path, b"d")
    assert sorted(files(tmp_path)) == sorted(["m.rknn", kept[b"a"], kept[b"b"]]), "the newest two"
    os.utime(tmp_path / kept[b"a"], (1, 1))
    put(tmp_path, b"e")
    assert set(files(tmp_path)) == {"m.rknn", kept[b"b"], f"m.{digest(b'd')[:12]}.rknn"}


def test_what_stands_beside_a_model_goes_with_it(tmp_path: Path) -> None:
    put(tmp_path, b"a", beside=b"of a")
    put(tmp_path, b"b", beside=b"of b")
    assert files(tmp_path)["m.json"] == b"of b"
    take_back(tmp_path / "m.rknn", digest(b"b"))
    assert files(tmp_path)["m.json"] == b"of a" and files(tmp_path)["m.rknn"] == b"a"


def test_none_or_a_damaged_one_is_not_taken(tmp_path: Path) -> None:
    put(tmp_path, b"a")
    with pytest.raises(ModelError, match=r"no model before m\.rknn is kept beside it"):
        take_back(tmp_path / "m.rknn", digest(b"a"))
    put(tmp_path, b"b")
    (tmp_path / f"m.{digest(b'a')[:12]}.rknn").write_bytes(b"half")
    with pytest.raises(ModelError, match="is damaged"):
        take_back(tmp_path / "m.rknn", digest(b"b"))
    assert files(tmp_path)["m.rknn"] == b"b"


def test_nothing_is_replaced_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, b"a")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        put(tmp_path, b"b")
    assert files(tmp_path) == {"m.rknn": b"a"}
