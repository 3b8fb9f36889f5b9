"""A site that is watched: begun, changed while it runs, mended, ended."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes.rtsp import RtspCamera
from tests.fakes.waiting import until
from tests.fakes.watched import WholeBackend
from tests.site.conftest import SINKS, Rig, camera, lines, ticking, turn, write_model
from yolorknn.errors import MissingDependencyError, ModelError, SiteError, SourceError
from yolorknn.site.notify import Notifier


def unread(*_: object, **__: object) -> None:
    """Stands in for reading an .onnx where there is no onnx package, as on a board."""
    raise MissingDependencyError("onnx", "export", "reading an .onnx")


def test_cameras_and_sinks_change_when_the_file_is_read_anew(rig: Rig, served: list[RtspCamera]) -> None:
    a, b = served
    found, rows = rig.folder / "found.jsonl", rig.folder / "found.csv"
    rig.write(camera("a", a) + SINKS)
    with rig.keeper() as keeper:
        until(lambda: lines(found)["a"] > 3)
        opened = a.opened
        rig.write(camera("a", a) + camera("b", b) + SINKS + 'csv = "found.csv"')
        assert keeper.reload() and rig.said("the site is read anew: cameras new: b; sinks changed")
        until(lambda: lines(found)["b"] > 3 and rows.exists())
        assert a.opened == opened and len(rig.opened) == 1, "nothing else was begun anew"
        rig.write(camera("b", b) + '[sinks]\njson = "other.jsonl"')
        assert keeper.reload()
        until(lambda: lines(rig.folder / "other.jsonl")["b"] > 3)
        assert set(keeper.status()) == {"b"}
    assert set(lines(rig.folder / "other.jsonl")) == {"b"}
    assert "s3cret" not in found.read_text() + "".join(event.text for event in rig.told)


def test_a_secret_file_with_another_content_is_a_change(rig: Rig, served: list[RtspCamera]) -> None:
    """Of a camera: it goes on at the URL that is there now."""
    found, source = rig.folder / "found.jsonl", rig.folder / "a.source"
    source.write_text(f"{served[0].url}\n")
    rig.write('[cameras.a]\nsource = "@a.source"\n' + SINKS)
    with rig.keeper() as keeper:
        until(lambda: lines(found)["a"] > 3)
        assert keeper.reload() and rig.said("the site is read anew: nothing changed")
        source.write_text(f"{served[1].url}\n")
        assert keeper.reload() and rig.said("the site is read anew: cameras changed: a")
        until(lambda: served[1].opened == 1)
        assert served[0].opened == 1


def test_a_file_with_mistakes_is_refused_and_all_goes_on(rig: Rig, served: list[RtspCamera]) -> None:
    found = rig.folder / "found.jsonl"
    rig.write(camera("a", served[0]) + SINKS)
    with rig.keeper() as keeper:
        before = keeper.site
        rig.write(camera("a", served[0], "fpz = 1") + SINKS)
        assert not keeper.reload() and keeper.site == before
        assert rig.said("site.toml:5: cameras.a.fpz: there is no such key; did you mean fps?")
        assert rig.said("is not taken: all goes on as it was")
        until(lambda: lines(found)["a"] > 3)


def test_what_cannot_be_opened_ends_nothing(
    rig: Rig, served: list[RtspCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is not there, a port that is taken: cameras and other sinks go on, and it is tried for ever."""
    for package in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(package)
    monkeypatch.setattr("yolorknn.stream.backoff.FIRST", 0.02)
    monkeypatch.setattr("yolorknn.stream.backoff.LONGEST", 0.02)
    found, disk = rig.folder / "found.jsonl", rig.folder / "disk"
    disk.write_text("nothing is mounted here")
    rig.write(camera("a", served[0]) + SINKS)
    with socket.create_server(("127.0.0.1", 0)) as other, rig.keeper() as keeper:
        taken = f"[page]\nport = {other.getsockname()[1]}\n"
        until(lambda: lines(found)["a"] > 3)
        sinks = SINKS + 'record = "disk/a"\nsnapshots = "shots"\n'
        for page, words in (("", "cannot write"), (taken, "cannot serve the page")):
            rig.write(camera("a", served[0]) + sinks + page)
            assert keeper.reload()
            turn(keeper, 1.0)
            assert (
                len([event for event in rig.told if "until it can be opened" in event.text and words in event.text])
                == 1
            )
        assert (rig.folder / "shots").exists(), "what comes after it is opened"
        before = lines(found)["a"]
        until(lambda: lines(found)["a"] > before + 3)
        disk.unlink()
        rig.write(camera("a", served[0]) + sinks)
        assert keeper.reload()
        ticking(keeper, lambda: rig.said("all open now"))
        assert (disk / "a").is_dir()


def test_what_is_kept_changes_without_a_stop(rig: Rig, served: list[RtspCamera]) -> None:
    found = rig.folder / "found.jsonl"
    rig.write(camera("a", served[0]) + SINKS)

    def last() -> int:
        return len(json.loads(found.read_text().splitlines()[-2])["detections"])

    with rig.keeper() as keeper:
        until(lambda: lines(found)["a"] > 3 and last() == 1)
        rig.write(camera("a", served[0]) + SINKS, '[models.demo]\nfile = "m.rknn"\nclasses = [3]\n')
        assert keeper.reload()
        until(lambda: last() == 0)
        rig.write(camera("a", served[0]) + SINKS, '[models.demo]\nfile = "m.rknn"\nclasses = ["none"]\n')
        keeper.reload()
        assert rig.said("the model has no class 'none'") and keeper.site.models["demo"].classes == (3,)
        assert len(rig.opened) == 1


def test_a_camera_that_is_not_there_stops_no_other(rig: Rig, served: list[RtspCamera]) -> None:
    served[0].down()
    rig.write(camera("a", served[0]) + camera("b", served[1]) + '[cameras.usb]\nsource = "camera63"\n' + SINKS)
    with rig.keeper() as keeper:
        until(lambda: lines(rig.folder / "found.jsonl")["b"] > 3)
        assert [name for name, status in keeper.status().items() if status.up] == ["b"]
        assert {event.camera for event in rig.told if event.event == "camera"} >= {"a", "usb"}


def test_two_models(rig: Rig, served: list[RtspCamera]) -> None:
    """Each with its own words in the same file."""
    write_model(rig.folder / "n.rknn", names=tuple("vwxyz"))
    models = '[models.one]\nfile = "m.rknn"\n[models.two]\nfile = "n.rknn"\n'
    own = camera("a", served[0], 'model = "one"') + camera("b", served[1], 'model = "two"')
    rig.write(own + SINKS, models)
    found = rig.folder / "found.jsonl"
    with rig.keeper():
        until(lambda: min(lines(found)[name] for name in "ab") > 3)
    names: dict[str, set[str]] = {}
    for line in found.read_text().splitlines():
        value = json.loads(line)
        names.setdefault(value["camera"], set()).update(entry["name"] for entry in value["detections"])
    assert names["b"] == {"v"} and names["a"].isdisjoint(names["b"])


def test_a_hung_inference_is_no_progress(rig: Rig, served: list[RtspCamera], monkeypatch: pytest.MonkeyPatch) -> None:
    """The process lives, its cameras give frames, and systemd hears nothing more until it goes on."""
    monkeypatch.setattr("yolorknn.live.progress.PATIENCE", 0.5)
    goes_on, heard = threading.Event(), list[float]()
    goes_on.set()

    class Hangs(WholeBackend):
        def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
            assert goes_on.wait(30)
            return super().infer(image)

    class Hears(Notifier):
        def progress(self) -> None:
            heard.append(time.monotonic())

    rig.cores = lambda: [Hangs(looks=False)]
    rig.write(camera("a", served[0]))
    with rig.keeper(notifier=Hears({})) as keeper:
        ticking(keeper, lambda: rig.opened[0][0].seen > 5)
        turn(keeper, 0.3)
        assert heard
        goes_on.clear()
        turn(keeper, 1.5)
        heard.clear()
        turn(keeper, 0.5)
        assert not heard and keeper.status()["a"].up
        goes_on.set()
        ticking(keeper, lambda: heard)


ZONE = '[zones.all]\ncamera = "a"\npolygon = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'


def test_zones_are_counted_and_change_without_a_stop(rig: Rig, served: list[RtspCamera]) -> None:
    found = rig.folder / "found.jsonl"
    rig.write(camera("a", served[0]) + SINKS + ZONE)

    def last() -> dict[str, Any]:
        return json.loads(found.read_text().splitlines()[-2]) if lines(found)["a"] > 3 else {}

    with rig.keeper() as keeper:
        until(lambda: sum(last().get("zones", {}).get("all", {}).values()) == 1)
        rig.write(camera("a", served[0]) + SINKS + ZONE.replace("[zones.all]", "[zones.other]") + "classes = [3]")
        assert keeper.reload()
        until(lambda: last()["zones"] == {"other": {}})
        rig.write(camera("a", served[0]) + SINKS + ZONE + 'classes = ["none"]')
        assert not keeper.reload() and rig.said("zones.all.classes: the model has no class 'none'")
        with pytest.MonkeyPatch.context() as without_onnx:
            without_onnx.setattr("yolorknn.predict.open_model.read_metadata", unread)
            assert keeper.reload() and rig.said("zone 'all' counts 'none', and the model has no such class")
        count = lines(found)["a"]
        until(lambda: lines(found)["a"] > count + 5 and last()["zones"] == {"other": {}})
        assert served[0].opened == 1


def test_a_zone_of_no_class_ends_the_beginning(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the model's file, or where that cannot be read without the onnx package, when it is opened."""
    rig.write('[cameras.a]\nsource = "camera0"\n' + ZONE + "classes = [99]")
    with pytest.raises(SiteError, match=r"zones\.all\.classes: the model has no class '99'"), rig.keeper():
        pass
    monkeypatch.setattr("yolorknn.predict.open_model.read_metadata", unread)
    with pytest.raises(ModelError, match="zone 'all' counts '99'"), rig.keeper():
        pass


def test_it_ends_with_its_files(rig: Rig, tmp_path: Path) -> None:
    import cv2

    from tests.fakes.numbered import numbered_frame

    cv2.imwrite(str(tmp_path / "a.png"), numbered_frame(1, (256, 320)))
    rig.write('[cameras.a]\nsource = "a.png"\n' + SINKS)
    with rig.keeper() as keeper:
        keeper.run(lambda: False)
    assert lines(rig.folder / "found.jsonl") == {"a": 1}


def test_a_file_of_which_nothing_was_read_is_no_good_end(rig: Rig) -> None:
    """It was there when the site file was read, and another was read to its end."""
    import cv2

    from tests.fakes.numbered import numbered_frame

    for name in "ab":
        cv2.imwrite(str(rig.folder / f"{name}.png"), numbered_frame(1, (256, 320)))
    rig.write('[cameras.a]\nsource = "a.png"\n[cameras.b]\nsource = "b.png"\n' + SINKS)
    keeper = rig.keeper()
    (rig.folder / "b.png").unlink()
    with pytest.raises(SourceError, match=r"nothing could be read of b: there is no file .*b\.png"), keeper:
        keeper.run(lambda: False)
    assert lines(rig.folder / "found.jsonl") == {"a": 1}
