"""Sites whose models classify whole images, alone and beside a detector."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.fakes.rknn_files import write_rknn
from tests.fakes.site_files import mistakes
from tests.fakes.watched import WATCHED
from tests.site.conftest import Rig
from yolorknn.model.metadata import Build, ModelMetadata, Output
from yolorknn.site import followed as site_followed
from yolorknn.site.followed import Followed
from yolorknn.site.read import read_site

FACTS = ModelMetadata(
    ("a", "b"),
    (32, 32),
    "split",
    (Output("logits", "logits", 0),),
    task="classify",
    build=Build("rk3588", "i8", "2.3.2"),
)
ALONE = '[models.c]\nfile = "c.rknn"\n{more}[cameras.door]\nsource = "camera0"\n'
WANTED = '[zones.z]\ncamera = "door"\npolygon = [[0, 0], [1, 0], [1, 1]]\n[track]\n[sinks]\ncrops = "crops"\n'


@pytest.fixture(autouse=True)
def tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What numbers objects needs a package that is not everywhere."""
    monkeypatch.setattr(site_followed, "Tracking", lambda *_, **__: Mock(zones=()))


def test_what_a_classifier_cannot_is_a_mistake(folder: Path) -> None:
    """Some of it ended the run as it began, and some was done without, and nothing was said."""
    write_rknn(folder / "c.rknn", FACTS)
    said = "is for models that find objects in images, not classify the whole"
    assert mistakes(folder, ALONE.format(more='tile = 64\nclasses = ["a"]\n') + WANTED) == [
        f":3: models.c.tile: {said}",
        f":4: models.c.classes: {said}",
        f":7: zones.z: {said}",
        f":10: track: {said}",
        f":12: sinks.crops: {said}",
    ]


def test_beside_a_detector_its_cameras_are_not_followed(rig: Rig) -> None:
    """What `[track]` and `[sinks]` say is for all cameras, and was a mistake where one has a classifier."""
    write_rknn(rig.folder / "c.rknn", FACTS)
    yard = '[models.demo]\nfile = "m.rknn"\n[cameras.yard]\nsource = "camera1"\nmodel = "demo"\n'
    site = read_site(rig.write(WANTED.replace("door", "yard"), ALONE.format(more="") + 'model = "c"\n' + yard))
    followed = Followed(rig.told.append)
    assert list(followed.fit(site, ["yard"], WATCHED)) == ["yard"]
    assert not Followed(rig.told.append).fit(site, ["door"], FACTS) and not rig.told


def test_a_detector_that_is_one_no_more(rig: Rig) -> None:
    site = read_site(rig.write('[cameras.door]\nsource = "camera0"\n[track]\n'))
    followed = Followed(rig.told.append)
    followed.fit(site, ["door"], WATCHED)
    assert not followed.fit(site, ["door"], FACTS)
    assert rig.said("door: nothing is numbered any more, as its model is a classifier now")
    followed.close()
