"""The command line (`pretended_board.py detect ...`) on a pretended RK3588, with a fake runtime and camera."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.encode import encode_split
from tests.fakes.numbered import cell_of
from tests.fakes.rknnlite import install
from yolorknn.__main__ import main
from yolorknn.model.platforms import PLATFORMS
from yolorknn.predict.open_model import read_metadata
from yolorknn.runtime import cores
from yolorknn.stream.sources import open_source
from yolorknn.stream.sources.capture import Capture


class Recording(Capture):
    """Stands in for a camera, or a stream as PyAV reads it: a clip that ends."""

    single, ends = False, True

    def __init__(self, _: object, **options: object) -> None:
        super().__init__(
            lambda: cv2.VideoCapture("clip.mp4"), name="camera0", source="camera0", live=False, failure="no clip"
        )


if __name__ == "__main__":
    fake, modules = install("rk3588")
    sys.modules.update(modules)
    metadata = read_metadata(Path(next(word for word in sys.argv if word.endswith(".rknn"))))

    def answer(_: np.ndarray) -> list[np.ndarray]:
        return encode_split(metadata, [cell_of(0)])

    fake.answer = staticmethod(answer)
    vars(cores)["this_platform"] = lambda: PLATFORMS["rk3588"]
    if sys.argv[1] == "bench" and "--seconds" not in sys.argv:
        sys.argv += ["--seconds", "0.2"]  # for each of eight settings two, else
    vars(open_source).update(open_camera=Recording, open_stream=Recording, PyAvStream=Recording)
    try:
        main()
    finally:
        assert not fake.wrongs and not fake.live, (fake.wrongs, fake.live)
