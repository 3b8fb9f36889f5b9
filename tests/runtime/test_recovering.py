"""A context that fails, lies or hangs is replaced; what it held is released."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable

import pytest

from tests.fakes.scripted_core import FINE, Core, pressing_ctrl_c, rgb, same
from yolorknn.errors import BackendError, CoreDeadError, CoreHungError, InferenceError
from yolorknn.runtime.patience import Patience
from yolorknn.runtime.pool import Pool
from yolorknn.runtime.recovering import MOST_HANGS, RecoveringSession


def test_a_failed_inference_is_run_again_on_a_fresh_context(core: Callable[..., Core]) -> None:
    one = core([FINE, InferenceError("no")])
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(2)), 2) and same(backend.infer(rgb(3)), 3)
    assert len(one.opened) == 2 and one.opened[0].closed == 1
    backend.close()
    backend.close()
    with pytest.raises(InferenceError, match="closed"):
        backend.infer(rgb(4))


def test_the_second_failure_is_raised_and_the_next_frame_is_fine(core: Callable[..., Core]) -> None:
    one = core([InferenceError("first")], [InferenceError("second")])
    backend = one.backend()
    with pytest.raises(InferenceError, match=r"second \(a second time, on a fresh context: see 'yolorknn doctor'\)"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2) and len(one.opened) == 2
    backend.close()


def test_a_wrong_image_is_the_callers_error_and_costs_no_context(core: Callable[..., Core]) -> None:
    one = core([ValueError("the model takes uint8")])
    backend = one.backend()
    with pytest.raises(ValueError, match="uint8"):
        backend.infer(rgb(1))
    backend.close()
    assert len(one.opened) == 1


def test_no_fresh_context(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], BackendError("init_runtime returned -1"))
    backend = one.backend()
    with pytest.raises(BackendError, match="init_runtime returned -1"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2)  # the one after it opens
    backend.close()


def test_the_outputs_of_the_frame_before_are_not_believed(core: Callable[..., Core]) -> None:
    one = core([FINE, "stale"])
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(2)), 2)
    assert len(one.opened) == 2
    backend.close()


def test_the_caller_may_use_the_images_buffer_again(core: Callable[..., Core]) -> None:
    one = core([FINE, "stale"])
    backend = one.backend()
    image = rgb(1)
    assert same(backend.infer(image), 1)
    image[:] = rgb(2)
    assert same(backend.infer(image), 2)
    assert len(one.opened) == 2
    backend.close()


def test_the_same_image_has_the_same_outputs(core: Callable[..., Core]) -> None:
    one = core()
    backend = one.backend()
    assert same(backend.infer(rgb(1)), 1) and same(backend.infer(rgb(1)), 1)
    assert len(one.opened) == 1
    backend.close()


def test_a_model_that_answers_alike_is_believed_after_one_check(core: Callable[..., Core]) -> None:
    one = core()
    backend = one.backend()
    for shade in range(4):  # differ in a pixel that holds no number
        image = rgb(1)
        image[16, 5] = shade
        assert same(backend.infer(image), 1)
    assert len(one.opened) == 2
    backend.close()


def test_a_hung_core_is_noticed_and_its_context_replaced_and_released(core: Callable[..., Core]) -> None:
    one = core([FINE, "hang"])
    backend = one.backend()
    backend.infer(rgb(1))
    with pytest.raises(CoreHungError, match=r"m.rknn on NPU core 1 gave no answer in [0-9.]+ s: the frame is lost"):
        backend.infer(rgb(2))
    assert same(backend.infer(rgb(3)), 3)
    assert [context.closed for context in one.opened] == [0, 0], "a context in use is not released"
    backend.close()


def test_a_core_that_hangs_in_every_context_is_broken(core: Callable[..., Core]) -> None:
    one = core(*[["hang"]] * MOST_HANGS)
    backend = one.backend()
    for _ in range(MOST_HANGS - 1):
        with pytest.raises(CoreHungError):
            backend.infer(rgb(1))
    for _ in range(2):
        with pytest.raises(CoreDeadError, match=r"after 3 such failures in a row it is taken out of use: restart"):
            backend.infer(rgb(1))
    assert len(one.opened) == MOST_HANGS
    backend.close()


def test_a_core_that_cannot_be_opened_again_is_broken(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], *[BackendError("init_runtime returned -1")] * MOST_HANGS)
    backend = one.backend()
    for _ in range(MOST_HANGS - 1):
        with pytest.raises(
            CoreHungError, match=r"core 1 could not be opened again \(init_runtime returned -1\): the fr"
        ):
            backend.infer(rgb(1))
    with pytest.raises(CoreDeadError, match=r"could not be opened again .* taken out of use"):
        backend.infer(rgb(1))
    backend.close()


def test_an_opening_that_hangs(core: Callable[..., Core]) -> None:
    one = core("hang")
    abandoned = []
    patience = Patience(opening=0.3)
    with pytest.raises(BackendError, match=r"core 1: the runtime did not open the model in 0.3 s: restart the board"):
        RecoveringSession(one, where="m on NPU core 1", patience=patience, abandon=lambda: abandoned.append(1))
    assert abandoned == [1] and one.opened == []


def test_a_hang_while_opening_again_costs_a_frame(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], "hang")
    backend = one.backend(Patience(opening=0.3))
    with pytest.raises(CoreHungError, match=r"did not open the model in 0.3 s"):
        backend.infer(rgb(1))
    assert same(backend.infer(rgb(2)), 2)
    backend.close()


def test_an_end_does_not_wait_for_a_context_that_is_opened_again(core: Callable[..., Core]) -> None:
    one = core([InferenceError("no")], "hang")
    session = one.session(Patience(opening=600, least=0.2))

    def end() -> None:
        assert one.hangs.wait(30)
        session.hurry()

    threading.Thread(target=end).start()
    with pytest.raises(CoreHungError, match=r"did not open the model in 0\.\d s"):
        session.run({"images": rgb(1)[None]})
    session.close()


def test_an_end_does_not_wait_for_a_context_of_another_model(core: Callable[..., Core]) -> None:
    """They are opened one after the other, and another's may hang."""
    one, other = core([InferenceError("no")]), core("hang")
    session = one.session(Patience(opening=600, least=0.2))
    abandoned = threading.Event()

    def open_another() -> None:
        with contextlib.suppress(BackendError):
            RecoveringSession(other, where="m", patience=Patience(opening=20), abandon=abandoned.set)

    thread = threading.Thread(target=open_another)
    thread.start()
    assert other.hangs.wait(30)
    threading.Timer(0.2, session.hurry).start()
    with pytest.raises(CoreHungError, match="was not opened, as another context was being opened"):
        session.run({"images": rgb(1)[None]})
    assert not abandoned.is_set(), "the other is still waited for"
    other.go_on.set()
    thread.join(30)
    assert not thread.is_alive() and len(other.opened) == 1
    session.run({"images": rgb(1)[None]})
    session.close()


def test_an_end_is_hurried_of_what_began_meanwhile(core: Callable[..., Core]) -> None:
    """Between hurry() and the end an inference may begin, which is told nothing by the first."""
    one = core(["hang"])
    backend = one.backend(Patience(first=600, least=0.2))
    pool, lent, closing = Pool([backend]), threading.Event(), threading.Event()

    def infer() -> None:
        with pool.lend() as mine, contextlib.suppress(CoreHungError):
            lent.set()
            assert closing.wait(30)
            mine.infer(rgb(1))

    thread = threading.Thread(target=infer)
    thread.start()
    assert lent.wait(30)
    threading.Timer(0.2, closing.set).start()
    pool.close()
    thread.join(30)
    assert not thread.is_alive()


def test_ctrl_c_while_a_model_is_opened(core: Callable[..., Core]) -> None:
    one = core("hang")
    with pressing_ctrl_c(one.hangs), pytest.raises(KeyboardInterrupt):
        one.backend(Patience(opening=60))


def test_patience_follows_the_slowest_measured() -> None:
    patience = Patience()
    assert patience.seconds(deque()) == 30
    assert patience.seconds(deque([0.02, 0.03])) == 2
    assert patience.seconds(deque([0.3, 0.2])) == pytest.approx(6)


def test_a_backend_that_nobody_closes_releases_its_context(core: Callable[..., Core]) -> None:
    one = core()
    assert same(one.backend().infer(rgb(1)), 1)


def test_ctrl_c_reaches_the_caller_while_the_core_works(core: Callable[..., Core]) -> None:
    one = core(["hang"])
    backend = one.backend(Patience(first=5))
    with pressing_ctrl_c(one.hangs), pytest.raises(KeyboardInterrupt):
        backend.infer(rgb(1))
    one.go_on.set()
    assert same(backend.infer(rgb(2)), 2), "the interrupted frame's answer is not taken for the next one's"
    backend.close()
