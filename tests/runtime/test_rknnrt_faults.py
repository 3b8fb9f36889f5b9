"""What librknnrt answers is not believed: every code, hangs, nonsense, and libraries that are others."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.encode import encode_split
from tests.fakes.pictured import METADATA, RUN, is_of, of, one_core, picture
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rknnlite import install
from tests.fakes.standin import Library, needs_compiler
from tests.fakes.waiting import until
from yolorknn import Detector
from yolorknn.errors import BackendError, CoreHungError, InferenceError
from yolorknn.predict.open_model import Place, open_model
from yolorknn.runtime import recovering, rknn_api
from yolorknn.runtime.cores import Runtime
from yolorknn.runtime.patience import Patience

pytestmark = needs_compiler
AT_OPENING = ("rknn_init", "rknn_set_core_mask", "rknn_query")
AT_RUN = ("rknn_inputs_set", RUN, "rknn_outputs_get", "rknn_outputs_release")


@pytest.mark.parametrize("code", [-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -99, 1])
def test_every_code_of_every_call_at_opening(
    library: Library, model: Path, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    name = rknn_api.CODES.get(code, "a code that is not documented")
    for function in AT_OPENING:
        for number in (1, 2):
            library.set(FAIL=f"{function}:{code}@{number},rknn_dup_context:-1", LOG=f"{model}.{function}{number}")
            with pytest.raises(
                BackendError, match=rf"{function}(\(\d\))? returned {code} \({name}\) for .* on NPU core"
            ):
                Detector(model, runtime="c")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("runtime", ["c", "lite"])
@pytest.mark.parametrize("how", ["another", "written over", "removed"])
def test_no_context_is_opened_of_a_file_that_is_another_by_now(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch, how: str, runtime: Runtime
) -> None:
    """Its outputs would be taken for those of the first: with its names, its scales."""
    lite, modules = install("rk3588")
    answers = iter([encode_split(METADATA, [of(0)]), None])
    lite.answer = staticmethod(lambda _: next(answers))  # type: ignore[assignment]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    library.set(FAIL=f"{RUN}:-1@2")
    with Detector(model, runtime=runtime) as detector:
        is_of(detector.detect(picture(0)), 0)
        other = write_rknn(model.with_name("other.rknn"), replace(METADATA, names=tuple(reversed(METADATA.names))))
        if how == "written over":
            model.write_bytes(other.read_bytes())
        elif how == "another":
            other.replace(model)
        else:
            model.unlink()
        with pytest.raises(InferenceError, match=r"m\.rknn was replaced or removed since the model was opened: open"):
            detector.detect(picture(1))


def test_a_file_that_becomes_another_while_it_is_opened(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_rknn(model.with_name("o.rknn"), replace(METADATA, names=tuple(reversed(METADATA.names)))).read_bytes()
    read = Path.read_bytes

    def reading(path: Path) -> bytes:
        if path == model:
            path.write_bytes(other)
        return read(path)

    library.set(FAIL=f"{RUN}:-1@2")
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(0)), 0)
        monkeypatch.setattr(Path, "read_bytes", reading)
        with pytest.raises(InferenceError, match=r"m\.rknn was replaced or removed since the model was opened: open"):
            detector.detect(picture(1))


def test_the_same_file_again_is_no_other(library: Library, model: Path) -> None:
    """As when it is sent to the board once more."""
    library.set(FAIL=f"{RUN}:-1@2")
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(0)), 0)
        again = model.with_name("again.rknn")
        again.write_bytes(model.read_bytes())
        again.replace(model)
        is_of(detector.detect(picture(1)), 1)


@pytest.mark.parametrize("code", [-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -99, 1])
def test_every_code_of_every_call_of_an_inference(library: Library, model: Path, code: int) -> None:
    """One costs a context and no frame; but a run that timed out is a hung core's, as nobody knows what it does."""
    for function in AT_RUN:
        library.set(FAIL=f"{function}:{code}@2", LOG=f"{model}.{function}")
        with Detector(model, runtime="c") as detector:
            is_of(detector.detect(picture(0)), 0)
            if (function, code) == (RUN, -2):
                with pytest.raises(CoreHungError, match="the frame is lost, the context replaced"):
                    detector.detect(picture(1))
            for number in range(1, 5):
                is_of(detector.detect(picture(number)), number)
        library.set(FAIL=f"{function}:{code}")
        with Detector(model, runtime="c") as detector:
            name = rknn_api.CODES.get(code, "a code that is not documented")
            said = rf"{function} returned {code} \({name}\) for .*a second time"
            with pytest.raises(InferenceError, match="gave no answer" if (function, code) == (RUN, -2) else said):
                detector.detect(picture(1))


def test_codes_of_closing_are_told_and_nothing_more(
    library: Library, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = one_core(model)
    library.set(FAIL="rknn_destroy:-7@1")
    session.close()
    assert "rknn_destroy returned -7 (RKNN_ERR_CTX_INVALID)" in caplog.text
    os.truncate(library.log, 0)


@pytest.mark.parametrize("where", ["rknn_init", "rknn_dup_context", "rknn_set_core_mask", "rknn_query"])
def test_a_hang_in_a_call_at_opening(
    library: Library, model: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovering, "Patience", functools.partial(Patience, opening=0.4))
    library.set(FAIL=f"hang_{where}:600000@1")
    with pytest.raises(BackendError, match=r"the runtime did not open the model in 0.4 s"):
        Detector(model, runtime="c")
    library.let_go()


@pytest.mark.parametrize("deaf", [0, 1])
@pytest.mark.parametrize("where", ["core1", *(f"hang_{name}" for name in AT_RUN)])
def test_a_hang_in_a_call_of_an_inference(library: Library, model: Path, where: str, deaf: int) -> None:
    """It costs one frame; the library's own time-out, where it has one, leaves no thread behind."""
    library.set(FAIL=f"{where}:600000@4", DEAF=deaf, MS=2)
    with Detector(model, runtime="c", contexts=2) as detector:
        stream = detector.stream(picture(number % 8) for number in range(60))
        indices = []
        for result in stream:
            is_of(result.detections, result.index)
            indices.append(result.index)
        assert stream.lost == 1 and len(indices) == 59
        if where == "core1" and not deaf:
            until(lambda: [call["ret"] for call in library.calls(RUN)].count(-2) == 1)
        working = {call["ctx"] for call in library.calls(RUN)[-40:]}
        assert len(working) >= 5, "a hung context takes no other with it"


def test_outputs_of_the_run_before_are_not_believed(library: Library, model: Path) -> None:
    library.set(STALE=2)
    with Detector(model, runtime="c") as detector:
        for number in range(8):
            is_of(detector.detect(picture(number)), number)
    assert len(library.calls("rknn_init")) > 3, "a fresh context for each"


@pytest.mark.parametrize("function", AT_RUN)
def test_weights_outlive_the_context_that_they_are_of(library: Library, model: Path, function: str) -> None:
    """The first context fails while the others, which have its weights, go on."""
    library.set(FAIL=f"{function}:-1@1")
    with Detector(model, runtime="c") as detector:
        for number in range(6):
            is_of(detector.detect(picture(number)), number)
        assert library.calls("rknn_destroy") == []
    assert len(library.opened()) == 4, "the first has another context, whose weights are its own"


@pytest.mark.parametrize("unnumbered", [1, 2])
def test_outputs_of_the_run_before_are_known_without_frame_ids(library: Library, model: Path, unnumbered: int) -> None:
    library.set(STALE=2, UNNUMBERED=unnumbered)
    with Detector(model, runtime="c") as detector:
        for turn in range(24):  # each picture on each core, whose answers to it and to the one before differ
            is_of(detector.detect(picture(turn // 3)), turn // 3)
    assert len(library.calls("rknn_init")) > 3, "a fresh context for each"


def test_outputs_of_the_run_before_that_are_rightly_alike_prove_nothing(library: Library, model: Path) -> None:
    """The second run's frame id tells, though nothing else does: every third picture has the same answer."""
    library.set(STALE=2)
    with Detector(model, backends=open_model(model, Place(cores=(0,)), runtime="c")[1]) as detector:
        for number in (0, 3, 1, 4, 2, 5, 0, 1, 2):
            is_of(detector.detect(picture(number)), number)


def test_frame_ids_that_do_not_count_cost_nothing_where_outputs_are_right(library: Library, model: Path) -> None:
    library.set(UNNUMBERED=1)
    with Detector(model, runtime="c") as detector:
        for turn in range(24):
            is_of(detector.detect(picture(turn // 3)), turn // 3)
    assert len(library.opened()) == 3


def test_the_shape_is_not_blamed_for_another_number(library: Library, model: Path) -> None:
    library.set(GARBLE=328)
    said = r"says of .* that images of shape \(1, 64, 96, 3\) has 4294967295 numbers, which cannot be: take"
    with pytest.raises(BackendError, match=said):
        Detector(model, runtime="c")
