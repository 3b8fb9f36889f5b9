"""librknnrt through ctypes, against the stand-in compiled for this machine: what it gives, and what it costs."""

from __future__ import annotations

import gc
import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.encode import encode_split
from tests.fakes.pictured import CELLS, METADATA, RUN, batch, is_of, of, one_core, picture
from tests.fakes.rknn_files import write_rknn
from tests.fakes.rknnlite import install
from tests.fakes.standin import Library, needs_compiler, write_replay
from yolorknn import Detector
from yolorknn.doctor.board import npu_memory
from yolorknn.errors import InferenceError, MissingDependencyError
from yolorknn.measure.bench import bench
from yolorknn.model import rknn_file
from yolorknn.runtime.cores import chosen, open_cores
from yolorknn.runtime.rknnrt import RknnRtSession

pytestmark = needs_compiler


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
    for wrong in (
        np.zeros((1, 64, 64, 3), np.uint8),
        np.zeros((64, 96, 3), np.uint8),
        np.zeros((1, 64, 96, 3), complex),
    ):
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
    found = npu_memory(model, wheel=True)
    assert found.status == "ok" and found.text.endswith(f"sharing its weights saves {2 * weights / 2**20:.1f} MB")
    library.set(FAIL="rknn_dup_context:-1")
    assert "saves" not in npu_memory(model, wheel=True).text
    library.set(FAIL="rknn_init:-4")
    found = npu_memory(model, wheel=True)
    assert found.status == "warning" and "rknn_init returned -4 (RKNN_ERR_MALLOC_FAIL)" in found.text
    assert npu_memory(model, wheel=False).status == "problem", "nothing else runs it"


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


def test_what_a_library_writes_of_its_outputs_is_asked_for_anew(library: Library, model: Path) -> None:
    """A larger size would have it write beyond the memory; released ones may be set to nothing."""
    session = one_core(model)
    call, asked = session._library.call, list[object]()

    def writing(name: str, *arguments: Any) -> int:
        if name == "rknn_outputs_get":
            asked.append([(one.size, one.data is None, one.preallocated) for one in arguments[2]])
        code = call(name, *arguments)
        for one in arguments[2] if name == "rknn_outputs_get" else ():
            one.size += 4096
        for one in arguments[2] if name == "rknn_outputs_release" else ():
            one.data, one.preallocated = None, 0
        return code

    session._library.call = writing  # type: ignore[method-assign]
    for number in range(3):
        session.run(batch(number))
    assert asked[0] == asked[1] == asked[2]
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
    with pytest.raises(MissingDependencyError, match=r"rknn-toolkit-lite2, which is not installed: .*take --runtime c"):
        Detector(model, runtime="lite")
    for name, module in install("rk3588")[1].items():
        monkeypatch.setitem(sys.modules, name, module)
    assert chosen("auto") == "lite" and chosen("c") == "c"
    with pytest.raises(ValueError, match="runtime is 'auto', 'lite' or 'c', not 'x'"):
        Detector(model, runtime="x")  # type: ignore[arg-type]
    for wrong in (0, 9, 1.5, None):
        with pytest.raises(ValueError, match=f"a core has 1 to 8 contexts, not {wrong}"):
            Detector(model, contexts=wrong)  # type: ignore[arg-type]


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
    mb = {(run.runtime, run.cores): run.npu_mb for run in report.runs}
    assert mb["lite", 1] == mb["c", 1] == first
    assert mb["lite", 3] == pytest.approx(3 * first, abs=0.1), "each context has weights of its own"
    library.set(FAIL="rknn_init:-6")
    report = bench(model, seconds=0.1, contexts=1)
    assert [run.npu_mb for run in report.runs] == [None] * len(report.runs)
    assert {run.runtime for run in report.runs} == {"lite"} and report.compared.startswith(
        "c does not run it: rknn_init returned -6"
    )
    assert not fake.live and not fake.wrongs
