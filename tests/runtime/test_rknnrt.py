"""librknnrt through ctypes, against the stand-in compiled for this machine: nothing that it answers is believed."""

from __future__ import annotations

import functools
import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.encode import Cell, encode_split, split_metadata
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rknnlite import install
from tests.fakes.standin import Library, compile_standin, key_of, needs_compiler, write_replay
from yolorknn import Detections, Detector
from yolorknn.doctor.board import npu_memory
from yolorknn.errors import BackendError, CoreHungError, InferenceError, MissingDependencyError
from yolorknn.image import letterbox
from yolorknn.measure.bench import bench
from yolorknn.model import rknn_file
from yolorknn.model.metadata import Build, ModelMetadata
from yolorknn.model.platforms import PLATFORMS
from yolorknn.runtime import cores, recovering, rknn_api
from yolorknn.runtime.cores import chosen, open_cores
from yolorknn.runtime.rknnrt import RknnRtSession, Weights

pytestmark = needs_compiler

IMGSZ = (64, 96)
METADATA = ModelMetadata(**{**split_metadata(IMGSZ, 3).__dict__, "build": Build("rk3588", "i8", "2.3.2")})
CELLS = [
    Cell(8, 3, 4, 1, 0.75, (1, 2, 3, 4)),
    Cell(16, 2, 1, 0, 0.5, (1, 1, 2, 2)),
    Cell(32, 0, 2, 2, 0.9, (2, 1, 1, 1)),
]
INPUTS, OUTPUTS, RUN = "rknn_inputs_set", "rknn_outputs_get", "rknn_run"
AT_OPENING = ("rknn_init", "rknn_set_core_mask", "rknn_query")
AT_RUN = (INPUTS, RUN, OUTPUTS, "rknn_outputs_release")


def picture(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (*IMGSZ, 3), np.uint8)


def of(number: int) -> Cell:
    return CELLS[number % 8 % len(CELLS)]


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_standin(tmp_path_factory.mktemp("standin"))


@pytest.fixture
def library(standin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A pretended RK3588 with the library, which answers each of eight pictures with one cell."""
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(standin),))
    monkeypatch.setattr(cores, "this_platform", lambda: PLATFORMS["rk3588"])
    patience = functools.partial(recovering.Patience, opening=3, first=1, least=0.5, factor=5)
    monkeypatch.setattr(recovering, "Patience", patience)
    library = Library(tmp_path / "calls.jsonl", monkeypatch)
    answers = {
        key_of(letterbox(picture(number), IMGSZ)[0]): encode_split(METADATA, [of(number)]) for number in range(8)
    }
    library.set(SOC="rk3588", REPLAY=write_replay(tmp_path / "replay.bin", answers))
    yield library
    library.let_go()
    gc.collect()
    library.check()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_rknn(tmp_path / "m.rknn", METADATA)


def is_of(found: Detections, number: int) -> None:
    """Compare with the cell, which int8 has moved by some hundredths."""
    cell = of(number)
    assert found.class_id.tolist() == [cell.class_id]
    assert found.confidence[0] == pytest.approx(cell.confidence, abs=0.5 / 255)
    expected = np.clip(cell.xyxy, 0, [*IMGSZ[::-1], *IMGSZ[::-1]])
    assert found.xyxy[0] == pytest.approx(expected, abs=0.1 * cell.stride)


def one_core(model: Path) -> RknnRtSession:
    return Weights(rknn_file.read(model)).open(0)


def batch(number: int) -> dict[str, NDArray[np.uint8]]:
    return {"images": letterbox(picture(number), IMGSZ)[0][None]}


def test_each_picture_gets_its_answer_and_outputs_stay_int8(library: Library, model: Path) -> None:
    with Detector(model, runtime="c") as detector:
        for number in range(8):
            is_of(detector.detect(picture(number)), number)
    assert [call["mask"] for call in library.calls("rknn_set_core_mask")] == [1, 2, 4]
    assert len(library.calls("rknn_init")) == 1 and len(library.calls("rknn_dup_context")) == 2
    session = one_core(model)
    outputs = session.run(batch(0))
    assert {tensor.dtype for tensor in session.outputs} == {"int8"}
    for tensor, wanted in zip(session.outputs, encode_split(METADATA, [of(0)]), strict=True):
        assert tensor.scale and tensor.zero_point is not None and outputs[tensor.name].dtype == np.int8
        expected = np.clip(np.rint(wanted / np.float32(tensor.scale)) + tensor.zero_point, -128, 127)
        assert np.array_equal(outputs[tensor.name], expected)
    assert [call["limit"] for call in library.calls(RUN)][:8] == [900] * 3 + [450] * 5, "a time-out of its own"
    session.close()
    session.close()
    with pytest.raises(InferenceError, match="closed"):
        session.run(batch(0))


def test_float16_outputs(library: Library, tmp_path: Path) -> None:
    model = write_rknn(tmp_path / "half.rknn", METADATA, dtype=None)
    with Detector(model, runtime="c") as detector:
        for number in range(4):
            is_of(detector.detect(picture(number)), number)
    session = one_core(model)
    assert {array.dtype for array in session.run(batch(1)).values()} == {np.dtype("float16")}
    session.close()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "int16", "int32"])
def test_inputs_of_any_type(library: Library, model: Path, dtype: str) -> None:
    session = one_core(model)
    wanted = {name: array.copy() for name, array in session.run(batch(2)).items()}
    turned = np.asfortranarray(batch(2)["images"].astype(dtype))
    assert all(np.array_equal(array, wanted[name]) for name, array in session.run({"images": turned}).items())
    for wrong in (np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 96, 3), np.uint8), np.zeros((1, 64, 96, 3))):
        with pytest.raises(ValueError, match=r"takes images \(1, 64, 96, 3\), got"):
            session.run({"images": wrong})
    session.close()


def test_a_stream_over_three_cores(library: Library, model: Path) -> None:
    library.set(MS=5)
    with Detector(model, runtime="c", contexts=2) as detector:
        for result in detector.stream(picture(number % 8) for number in range(60)):
            is_of(result.detections, result.index)
    runs = [call["core"] for call in library.calls(RUN)]
    assert len(runs) == 60 and set(runs) == {0, 1, 2}
    assert len({call["ctx"] for call in library.calls(RUN)}) == 6


def test_a_live_source_has_one_context_a_core(library: Library, model: Path) -> None:
    library.set(MS=30)
    with Detector(model, runtime="c", contexts=2) as detector:
        for _ in detector.stream((picture(number % 8) for number in range(30)), drop="old"):
            pass
        busy = threading.Barrier(4)

        def ask(number: int) -> None:
            busy.wait()
            is_of(detector.detect(picture(number)), number)

        before = len(library.calls(RUN))
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        busy.wait()
        for thread in threads:
            thread.join()
    runs = library.calls(RUN)
    assert {call["core"] for call in runs[before:]} == {0, 1, 2}, "three images at once are on three cores"


def test_a_library_that_cannot_share_weights(library: Library, model: Path) -> None:
    library.set(FAIL="rknn_dup_context:-1")
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(1)), 1)
    assert len(library.calls("rknn_init")) == 3


def test_the_memory_of_contexts(library: Library, model: Path) -> None:
    sessions = open_cores(rknn_file.read(model), source=Path("m.onnx"), runtime="c")
    contexts = [session.current() for session in sessions]
    first, second, third = [context.memory() for context in contexts if isinstance(context, RknnRtSession)]
    assert first and second and second == third and first.weights == model.stat().st_size
    assert first.total - second.total == first.weights
    for session in reversed(sessions):
        session.close()


def test_the_doctor_tells_what_sharing_saves(library: Library, model: Path) -> None:
    weights = model.stat().st_size
    found = npu_memory(model)
    assert found.status == "ok" and found.text.endswith(f"sharing its weights saves {2 * weights / 2**20:.1f} MB")
    library.set(FAIL="rknn_dup_context:-1")
    assert "saves" not in npu_memory(model).text
    library.set(FAIL="rknn_init:-4")
    found = npu_memory(model)
    assert found.status == "warning" and "rknn_init returned -4 (RKNN_ERR_MALLOC_FAIL)" in found.text


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
    monkeypatch.setattr(recovering, "Patience", functools.partial(recovering.Patience, opening=0.4))
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
            assert [call["ret"] for call in library.calls(RUN)].count(-2) == 1
        working = {call["ctx"] for call in library.calls(RUN)[-40:]}
        assert len(working) >= 5, "a hung context takes no other with it"


def test_outputs_of_the_run_before_are_not_believed(library: Library, model: Path) -> None:
    library.set(STALE=2)
    with Detector(model, runtime="c") as detector:
        for number in range(8):
            is_of(detector.detect(picture(number)), number)
    assert len(library.calls("rknn_init")) > 3, "a fresh context for each"


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


def test_a_newer_library_is_as_good(library: Library, model: Path) -> None:
    library.set(API="9.1.0 (of the future)")
    with Detector(model, runtime="c") as detector:
        is_of(detector.detect(picture(0)), 0)


def test_a_model_of_another_shape_than_the_library_says(library: Library, model: Path, tmp_path: Path) -> None:
    other = write_rknn(tmp_path / "o.rknn", ModelMetadata(**{**METADATA.__dict__, "imgsz": (64, 64)}))
    file = rknn_file.read(model)
    os.replace(other, model)
    with pytest.raises(
        BackendError, match=r"that images has shape \(1, 64, 64, 3\), where the file has .*--runtime lite"
    ):
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
    monkeypatch.setattr(rknn_api, "LIBRARIES", (str(path),))
    with pytest.raises(BackendError, match=said):
        Detector(model, runtime="c")


def test_outputs_are_their_owners_and_memory_is_used_again(library: Library, model: Path) -> None:
    session = one_core(model)
    held = [session.run(batch(number)) for number in range(8)]
    views = [outputs["cls8"].reshape(3, -1)[:, ::2] for outputs in held]
    copies = [{name: array.copy() for name, array in outputs.items()} for outputs in held]
    places = {outputs["cls8"].__array_interface__["data"][0] for outputs in held}
    assert len(places) == 8, "what somebody holds is not written over"
    del held
    for number in range(8):
        session.run(batch(number))
    for view, copy in zip(views, copies, strict=True):
        assert np.array_equal(view, copy["cls8"].reshape(3, -1)[:, ::2])
    del views, view
    again = {session.run(batch(0))["cls8"].__array_interface__["data"][0] for _ in range(50)}
    assert len(again) <= 2
    session.close()


def test_a_long_run_leaves_nothing_behind(library: Library, model: Path) -> None:
    library.set(LOG="", FAIL="")
    session = one_core(model)
    gc.collect()
    gc.disable()
    try:
        sizes = []
        for number in range(400):
            session.run(batch(number % 8))
            if number % 20 == 19:  # listing the objects of this process takes longer than the rest
                sizes.append(len(gc.get_objects()))
        assert max(sizes) - min(sizes) < 20
    finally:
        gc.enable()
    session.close()


def test_ctrl_c_in_the_middle_of_an_inference(library: Library, model: Path) -> None:
    library.set(MS=1000)
    with Detector(model, runtime="c") as detector:
        library.interrupt_a_run()
        with pytest.raises(KeyboardInterrupt):
            detector.detect(picture(0))


def test_auto_is_the_wheel_where_it_is_installed(
    library: Library, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen("auto") == "c" and chosen("lite") == "lite"
    with Detector(model) as detector:
        is_of(detector.detect(picture(0)), 0)
    with pytest.raises(MissingDependencyError, match=r"pip install '\.\[board\]'"):
        Detector(model, runtime="lite")
    installed = model.parent / "site/rknnlite"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(installed.parent)
    assert chosen("auto") == "lite" and chosen("c") == "c"
    with pytest.raises(ValueError, match="runtime is 'auto', 'lite' or 'c', not 'x'"):
        Detector(model, runtime="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1 context"):
        Detector(model, contexts=0)


def test_bench_compares_the_runtimes(
    library: Library, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.set(REPLAY=write_replay(tmp_path / "any.bin", {0: encode_split(METADATA, CELLS)}), MS=1)
    report = bench(model, seconds=0.1)
    assert {(run.runtime, run.cores, run.contexts) for run in report.runs} == {
        *(("c", cores, 1) for cores in (1, 2, 3)),
        ("c", 3, 2),
    }
    first, *_, last = [run.npu_mb for run in report.runs]
    assert report.compared == "" and first is not None and last is not None and last > first
    assert f"\nc               3        2    {last:.1f} " in report.table()

    fake, modules = install("rk3588")
    fake.answer = staticmethod(lambda _: encode_split(METADATA, CELLS))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    report = bench(model, seconds=0.1, contexts=1)
    assert list(dict.fromkeys(run.runtime for run in report.runs)) == ["lite", "c"]
    same = r"their boxes agree in 100\.0% \(24 and 24 boxes in 8 frames\)"
    assert re.fullmatch(rf"(c|lite) gives \d+\.\d\d times the frames of (c|lite); {same}", report.compared)
    library.set(FAIL="rknn_init:-6")
    report = bench(model, seconds=0.1, contexts=1)
    assert {run.runtime for run in report.runs} == {"lite"} and report.compared.startswith(
        "c does not run it: rknn_init returned -6"
    )
    assert not fake.live and not fake.wrongs
