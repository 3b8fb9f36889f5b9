"""The models of a site: another one takes over, a bad one is refused, one that dies is begun anew or given up."""

from __future__ import annotations

import json
import os
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend
from tests.site.conftest import SINKS, Rig, camera, lines, ticking, turn, write_model
from yolorknn.errors import CoreDeadError, ModelError, RestartsError, SiteError
from yolorknn.site.keeper import Keeper
from yolorknn.site.parts import Parts
from yolorknn.site.read import read_site
from yolorknn.site.restarts import Restarts
from yolorknn.site.tables import ModelTable


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
    assert {json.loads(line)["epoch"] for line in found.read_text().splitlines()} == {1, 2}, "it is another connection"


def test_class_names_in_a_file_that_is_another_now_are_taken(rig: Rig) -> None:
    """The site file says the same as before."""
    (rig.folder / "names.txt").write_text("a\nb\n")
    model = '[models.demo]\nfile = "m.rknn"\nnames = "names.txt"\n'
    rig.write('[cameras.a]\nsource = "camera63"\n', model)
    with rig.keeper() as keeper:
        assert keeper.reload() and rig.said("nothing changed") and len(rig.opened) == 1
        (rig.folder / "names.txt").write_text("hen\nfox\n")
        assert keeper.reload() and rig.said("models changed: demo") and len(rig.opened) == 2


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
    with pytest.raises(SiteError, match=r"site.toml:2: models.demo.file: .*m.rknn"), rig.keeper():
        pass


@pytest.mark.parametrize("how", ["tried", "opened"])
def test_a_new_model_that_is_no_good_is_refused_before_anything_changes(
    rig: Rig, served: list[RtspCamera], how: str
) -> None:
    """With it the whole reload: the cameras that run do not notice, and none is restarted until all ends."""
    a, b = served
    refused = [False]

    def tried(table: ModelTable, _: object) -> None:
        if refused[0] and how == "tried" and table.file.name == "bad.rknn":
            raise ModelError("opening and running it ends a process with signal SIGSEGV")

    good = camera("a", a, 'model = "demo"') + SINKS
    more = '[models.new]\nfile = "n.rknn"\n[models.bad]\nfile = "bad.rknn"\n'
    more += camera("b", b, 'model = "bad"') + camera("c", b, 'model = "new"')
    write_model(rig.folder / "n.rknn")
    write_model(rig.folder / "bad.rknn")
    rig.write(good)
    with Keeper(read_site(rig.file), file=rig.file, tell=rig.told.append, opened=rig.open, tried=tried) as keeper:
        until(lambda: rig.opened[0][0].seen > 3)
        before, epoch = keeper.site, keeper.status()["a"].source.epoch
        refused[0] = True
        if how == "opened":
            (rig.folder / "bad.rknn").write_bytes((rig.folder / "bad.rknn").read_bytes()[:100])
        rig.write(good + more)
        assert not keeper.reload() and keeper.site == before
        assert rig.said("models.bad") and rig.said("site.toml is not taken: all goes on as it was")
        turn(keeper, 0.3)
        assert not rig.said("it is begun anew") and set(keeper.status()) == {"a"}
        seen = rig.opened[0][0].seen
        until(lambda: rig.opened[0][0].seen > seen + 5)
        assert keeper.status()["a"].source.epoch == epoch
        refused[0] = False
        write_model(rig.folder / "bad.rknn")
        assert keeper.reload() and rig.said("models new: new, bad; cameras new: b, c")
        until(lambda: {"a", "b", "c"} == lines(rig.folder / "found.jsonl").keys())


def test_a_model_that_is_opened_by_a_reload_is_not_opened_once_more(
    rig: Rig, served: list[RtspCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it failed, it was due anyway."""
    monkeypatch.setattr("yolorknn.site.restarts.LONGEST_WAIT", 0.2)
    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        part = next(iter(keeper._parts))
        assert part.watcher is not None
        part.watcher.error = CoreDeadError("core 0 hung")
        keeper.tick()
        assert rig.said("it is begun anew") and keeper.reload() and len(rig.opened) == 2
        turn(keeper, 0.5)
        assert len(rig.opened) == 2 and set(keeper.status()) == {"a"}


def test_who_asks_while_models_change_is_answered(rig: Rig) -> None:
    """The broker's thread asks how cameras do, several times a second."""
    parts = Parts(Mock(), Mock(), rig.told.append, Restarts())
    parts.begin(dict.fromkeys("ab", Mock()))
    asking = iter(parts)
    next(asking)
    parts.change({}, {})
    assert len(list(asking)) == 1
