"""Every code of every call, a hang in each, answers that were cut off and other versions, on the emulated board.

Started by tests/runtime/test_board_emulator.py. The same on this machine, without the wheel: tests/runtime.
"""

from __future__ import annotations

import pytest

from tests.board.board import FRAMES, MODEL, WANTED, WHEEL, check, loses_one_frame
from tests.fakes.standin import Library
from yolorknn import Detector, errors
from yolorknn.runtime import rknn_api

CODES = (*range(-1, -14, -1), -99) if WHEEL else (*range(-1, -14, -1), -99, 1)
"""The wheel takes what is above 0 for success, and frees outputs that it was not given; librknnrt has no such codes."""
TIMED_OUT = ("rknn_run", -2)
"""After which nobody knows what the core does: librknnrt's own word for a hang."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("function", ["rknn_init", "rknn_query", "rknn_set_core_mask"])
def test_every_code_of_every_call_at_opening(library: Library, function: str) -> None:
    for code in CODES:
        library.set(FAIL=f"{function}:{code}@1,rknn_dup_context:-1", LOG=f"{library.log}{code}")
        with pytest.raises(errors.BackendError) as told:
            Detector(MODEL)
        by_the_wheel = "when set npu core mode" if WHEEL and function == "rknn_set_core_mask" else None
        assert (by_the_wheel or rknn_api.CODES.get(code, str(code))) in str(told.value)


@pytest.mark.exhaustive
@pytest.mark.parametrize("function", ["rknn_inputs_set", "rknn_run", "rknn_outputs_get"])
def test_every_code_of_every_call_of_an_inference_costs_no_frame(library: Library, function: str) -> None:
    codes = [code for code in CODES if (function, code) != TIMED_OUT]
    library.set(FAIL=",".join(f"{function}:{code}@{2 * number}" for number, code in enumerate(codes, 1)))
    with Detector(MODEL) as detector:
        for path in FRAMES * 4:
            check(detector.detect(path), WANTED[path.name])
    failed = [call["ret"] for call in library.calls(function) if call["ret"] < 0 or call["ret"] == 1]
    assert failed == codes


@pytest.mark.exhaustive
@pytest.mark.parametrize("function", ["rknn_inputs_set", "rknn_run", "rknn_outputs_get"])
@pytest.mark.usefixtures("little_patience")
def test_a_hang_in_each_call_costs_a_frame(library: Library, function: str) -> None:
    library.set(MS=20, FAIL=f"hang_{function}:600000@4", DEAF=1)
    try:
        with Detector(MODEL) as detector:
            loses_one_frame(detector)
    finally:
        library.let_go()


def right_or_refused() -> str:
    """Return why a model is refused; empty where its boxes are right, of which librknnrt's nonsense may be no part."""
    try:
        with Detector(MODEL) as detector:
            check(detector.detect(FRAMES[0]), WANTED[FRAMES[0].name])
    except errors.BackendError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("kept", [0, 8, 72, 328, 340, 356])
def test_an_answer_that_was_cut_off(library: Library, kept: int) -> None:
    """The wheel asks for floats, and so for no scale, which is what comes last."""
    library.set(GARBLE=kept)
    said = right_or_refused()
    assert ("NPU core" in said) if said else (WHEEL and kept >= 340)


@pytest.mark.parametrize("version", ["1.5.0 (old)", "garbage", ""])
def test_a_library_of_another_version(library: Library, version: str) -> None:
    """The wheel takes an old one, whose answers are as good here."""
    library.set(API=version)
    said = right_or_refused()
    assert ("NPU core" in said) if said else (WHEEL and version.startswith("1.5"))


def test_a_newer_library_is_as_good(library: Library) -> None:
    library.set(API="9.1.0 (of the future)")
    assert right_or_refused() == ""
