"""A librknnrt that says what cannot be, is of another version, or is none: refused in words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.pictured import METADATA, RUN, is_of, one_core, picture
from tests.fakes.rknn_files import write_rknn
from tests.fakes.standin import Library, needs_compiler
from yolorknn import Detector
from yolorknn.doctor.board import npu_memory
from yolorknn.errors import BackendError, CoreHungError, InputError
from yolorknn.model import rknn_file
from yolorknn.model.metadata import ModelMetadata
from yolorknn.runtime import rknn_api
from yolorknn.runtime.rknnrt import RknnRtSession, Weights

pytestmark = needs_compiler


@pytest.mark.parametrize("kept", [0, 3, 4, 8, 60, 72, 200, 328, 332, 336, 340, 344, 350, 352, 356])
def test_a_struct_that_reads_as_nonsense(library: Library, model: Path, kept: int) -> None:
    library.set(GARBLE=kept)
    with pytest.raises(BackendError, match=r"(librknnrt says of|too old).*(--runtime lite|doctor)"):
        Detector(model, runtime="c")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("1.5.0 (old)", "librknnrt 1.5.0 is too old"),
        ("0.9", "librknnrt 0.9 is too old"),
        ("garbage", "its version is b'garbage', which cannot be: .*--runtime lite"),
        ("", "its version is b'', which cannot be"),
        ("2.3.2.1.9", "which cannot be"),
    ],
)
def test_a_library_of_another_version(library: Library, model: Path, version: str, said: str) -> None:
    library.set(API=version)
    with pytest.raises(BackendError, match=said):
        Detector(model, runtime="c")


def says(monkeypatch: pytest.MonkeyPatch, what: int, **fields: object) -> None:
    """Have the library say this in its answers to a question, from now on."""
    ask = RknnRtSession._query

    def asked(session: RknnRtSession, question: int, answer: Any) -> int:
        code = ask(session, question, answer)
        for name, value in fields.items() if question == what else ():
            setattr(answer, name, value)
        return code

    monkeypatch.setattr(RknnRtSession, "_query", asked)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": 2}, "that box8 lies in layout 2, which cannot be"),
        ({"name": b"cls8"}, "that box8 is cls8, which is another, which cannot be"),
        ({"type": 1}, "that box8 has 6144 numbers of float16 in 6144 bytes, which cannot be"),
    ],
)
def test_numbers_that_would_be_read_as_others(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, int], said: str
) -> None:
    says(monkeypatch, rknn_api.OUTPUT, **fields)
    with pytest.raises(BackendError, match=said):
        Detector(model, runtime="c")


@pytest.mark.parametrize("total", [0, 2**64 - 1])
def test_memory_that_no_board_has_is_not_told(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    says(monkeypatch, rknn_api.MEMORY, dma=total)
    assert npu_memory(model, wheel=True).text == f"librknnrt does not say what {model} takes"


def test_a_context_that_says_something_else_when_it_is_opened_again(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Detector(model, runtime="c") as detector:
        library.set(FAIL=f"{RUN}:-1@1")
        says(monkeypatch, rknn_api.OUTPUT, scale=0.1)
        said = "other inputs or outputs than when it was opened first"
        with pytest.raises(CoreHungError, match=said):
            detector.detect(picture(0))
        is_of(detector.detect(picture(1)), 1)  # the other cores are as they were


def test_a_newer_library_is_as_good(library: Library, model: Path) -> None:
    library.set(API="9.1.0 (of the future)")
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(0)), 0)


def test_a_model_of_another_shape_than_the_library_says(library: Library, model: Path, tmp_path: Path) -> None:
    other = write_rknn(tmp_path / "o.rknn", ModelMetadata(**{**METADATA.__dict__, "imgsz": (64, 64)}))
    file = rknn_file.read(model)
    os.replace(other, model)
    said = r"that images has shape \(1, 64, 64, 3\), where the file has \([0-9, ]*\), which cannot be: .*--runtime lite"
    with pytest.raises(BackendError, match=said):
        Weights(file).open(0)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("int rknn_init(void) { return 0; }", "has no rknn_dup_context, it is too old: .*--runtime lite"),
        (None, r"cannot be loaded \(.*invalid ELF header\): see 'yolorknn doctor'"),
    ],
)
def test_a_library_that_is_none(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, said: str
) -> None:
    path = model.parent / "other.so"
    path.write_text("<html>" * 100)
    if code:
        source = model.parent / "other.c"
        source.write_text(code)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(path), str(model.parent / "none.so")))
    with pytest.raises(BackendError, match=said):
        Detector(model, runtime="c")


def test_what_has_no_size_in_32_bits(library: Library, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ctypes would cut its size off, and the library read so much of it; the array here takes no memory."""
    session = one_core(model)
    for dtype, size in (("float32", "12.0"), ("float64", "12.0"), ("uint64", "24.0")):
        huge = np.broadcast_to(np.zeros((), dtype), (1, 1 << 15, 1 << 15, 3))
        with pytest.raises(InputError, match=rf"^input images has {size} GiB, and librknnrt takes less than 4 of one$"):
            session.run({"images": huge})
    session.close()
    monkeypatch.setattr(rknn_api, "MOST_BYTES", model.stat().st_size - 1)
    with pytest.raises(BackendError, match=r"m\.rknn has 0\.0 GiB, and librknnrt takes models of less than 4"):
        Detector(model, runtime="c")
