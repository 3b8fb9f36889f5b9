"""The models of a site: another one takes over, a bad one is refused, one that dies is begun anew or given up."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend
from tests.site.conftest import SINKS, Rig, camera, lines, ticking, turn, write_model
from yolorknn.errors import CoreDeadError, ModelError, RestartsError
from yolorknn.site.restarts import Restarts


def test_another_model_takes_over(rig: Rig, served: list[RtspCamera]) -> None:
    """When its file is another one; the one before is kept under its sha256, and can be gone back to."""
    model = rig.folder / "m.rknn"
    first = model.read_bytes()
    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        (kept,) = rig.folder.glob("m.*.rknn")
        assert kept.read_bytes() == first
        until(lambda: lines(rig.folder / "found.jsonl")["a"] > 3)
        opened = served[0].opened
        write_model(rig.folder / "new", source="another")
        os.replace(rig.folder / "new", model)
        turn(keeper, 0.6)
        assert rig.said("demo goes on with") and len(rig.opened) == 2
        assert served[0].opened == opened and rig.opened[1][0].seen > 1
        seen = rig.opened[0][0].seen
        until(lambda: rig.opened[1][0].seen > 20)
        assert rig.opened[0][0].seen == seen
        model.write_bytes(first)
        turn(keeper, 0.6)
        assert len(rig.opened) == 3 and len(list(rig.folder.glob("m.*.rknn"))) == 2
    numbers = [json.loads(line)["epoch"] for line in (rig.folder / "found.jsonl").read_text().splitlines()]
    assert set(numbers) == {1}


def test_a_bad_model_is_refused_and_the_one_before_goes_on(rig: Rig, served: list[RtspCamera]) -> None:
    class Bad(WholeBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            return [np.full_like(output, np.nan) for output in super().infer(image)]

    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        until(lambda: rig.opened[0][0].seen > 3)
        (rig.folder / "m.rknn").write_bytes(b"no model at all")
        turn(keeper, 0.6)
        assert rig.said("is now is not taken:") and rig.said("the model before goes on")
        rig.cores = lambda: [Bad(looks=False)]
        write_model(rig.folder / "m.rknn", source="another")
        turn(keeper, 0.6)
        assert rig.said("values that are no numbers")
        told = len(rig.told)
        turn(keeper, 0.6)
        assert len(rig.told) == told, "what was refused is not tried again"
        seen = rig.opened[0][0].seen
        until(lambda: rig.opened[0][0].seen > seen + 10)


def test_a_model_of_other_classes_begins_anew_with_its_words(rig: Rig, served: list[RtspCamera]) -> None:
    found = rig.folder / "found.jsonl"
    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        until(lambda: lines(found)["a"] > 3)
        write_model(rig.folder / "m.rknn", names=tuple("vwxyz"))
        turn(keeper, 0.6)
        assert rig.said("demo begins anew with")
        until(lambda: '"name": "v"' in found.read_text())
        assert set(keeper.status()) == {"a"}


def test_a_part_that_dies_is_begun_anew_and_given_up_after_five_times(
    rig: Rig, served: list[RtspCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(WholeBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            raise CoreDeadError("core 0 hung")

    monkeypatch.setattr("yolorknn.site.restarts.LONGEST_WAIT", 0.01)
    alive = rig.cores
    rig.cores = lambda: [Dies(looks=False)] if len(rig.opened) != 2 else alive()
    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        ticking(keeper, lambda: rig.said("model demo: no NPU core is left"))
        ticking(keeper, lambda: len(rig.opened) == 3)
        until(lambda: lines(rig.folder / "found.jsonl")["a"] > 3)
        assert rig.said("model demo is begun anew")
    rig.cores = lambda: [Dies(looks=False)]
    with (
        rig.keeper() as keeper,
        pytest.raises(RestartsError, match="model demo failed again after 5 restarts in 60 s: no NPU core is left"),
    ):
        keeper.run(lambda: False)
    assert len(rig.opened) == 3 + 6


def test_restarts_long_ago_are_forgotten() -> None:
    now = [0.0]
    restarts = Restarts(lambda: now[0])
    assert [restarts.wait("a", "why") for _ in range(5)] == [1, 2, 4, 8, 8]
    assert restarts.wait("b", "why") == 1
    with pytest.raises(RestartsError):
        restarts.wait("a", "why")
    now[0] = 60.0
    assert restarts.wait("a", "why") == 1


def test_a_model_that_cannot_be_opened_ends_the_beginning(rig: Rig) -> None:
    (rig.folder / "m.rknn").write_bytes(b"none")
    rig.write('[cameras.a]\nsource = "camera0"\n')
    with pytest.raises(ModelError), rig.keeper():
        pass
