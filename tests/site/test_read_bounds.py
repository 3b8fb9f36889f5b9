"""Site files with numbers and names at the edge of what there is, and beyond: said in words, as SIGHUP goes on then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.site_files import GOOD, mistakes, written
from yolorknn.site.opened import camera_of
from yolorknn.site.read import read_site
from yolorknn.tracking.tracking import Tracking


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "fps = 1e7", ":6: cameras.door.fps: must be 1000000 or less, not 10000000"),
        (GOOD + "fps = 1" + "0" * 400, ":6: cameras.door.fps: must be a number, not 1000"),
        (GOOD + "size = [640, 1" + "0" * 400 + "]", ":6: cameras.door.size: must be a whole number, not 1000"),
        (GOOD + "fps = 1" + "0" * 5000, ": this is no TOML: "),
        (GOOD.replace("m.onnx", "~no-such-user/m"), ':3: models.demo.file: "~no-such-user/m" is below a user\'s home'),
        (GOOD + '[mqtt]\nhost = "a"\ndiscovery = "ä"', ':8: mqtt.discovery: cannot be "ä": where Home Assistant'),
    ],
)
def test_what_is_beyond(folder: Path, text: str, said: str) -> None:
    told = mistakes(folder, text)
    assert len(told) == 1 and told[0].startswith(said), told


def test_the_largest_numbers_that_there_may_be(folder: Path) -> None:
    """What the file is checked by, and what takes the number, agree."""
    site = read_site(written(folder, GOOD + "fps = 1000000\nweight = 1e6\n[track]\nlost = 1e6"))
    camera = camera_of("door", site.cameras["door"])
    assert (camera.fps, camera.weight) == (1e6, 1e6) and site.track
    assert Tracking({0: "ball"}, track=False, lost=site.track.lost).scene.zones == {}
