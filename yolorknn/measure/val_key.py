"""What a model's boxes depend on beside the image: the key under which val keeps them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.doctor.library import LIBRARY
from yolorknn.doctor.machine import installed
from yolorknn.errors import ModelError
from yolorknn.files import check_model_file, sha256
from yolorknn.measure.finding import Finding
from yolorknn.measure.predictions import Prediction
from yolorknn.model.onnx_file import digest
from yolorknn.predict.open_model import Place
from yolorknn.runtime.cores import Runtime
from yolorknn.toolkits.installed import NAMED, toolkits


def key_of(path: Path, place: Place, names: list[str] | None, runtime: Runtime) -> tuple[object, ...]:
    """Return everything that the boxes depend on but the image."""
    check_model_file(path)
    images: list[str] = []
    if place.simulate and place.dataset is not None:
        opened = CalibrationSet.open(place.dataset)
        files = [opened.video] if opened.video else opened.images
        images = [sha256(file) for file in files] or [secrets.token_hex(8)]  # a camera gives others each time
    packages = ("onnxruntime", "rknn-toolkit-lite2", "ultralytics")
    runtimes = [f"{package} {version}" for package in packages if (version := installed(package)) is not None]
    if place.simulate or place.remote:
        runtimes += [f"rknn-toolkit2 {toolkit.version}" for toolkit in toolkits()]
        runtimes.append(str(place.toolkit or os.environ.get(NAMED)))
    with suppress(OSError):
        runtimes.append(sha256(Path(LIBRARY)))
    if path.suffix.lower() == ".rknn" and not (place.simulate or place.remote):
        runtimes.append(runtime)
    return _content(path), installed("yolorknn"), place.simulate, images, names, runtimes


def _content(path: Path) -> str:
    return digest(path) if path.suffix.lower() == ".onnx" else sha256(path)


@contextmanager
def unchanged(
    opening: Callable[[], AbstractContextManager[Finding[Prediction]]], path: Path, content: str
) -> Iterator[Finding[Prediction]]:
    """Open a model, and refuse one that is another by then, as of a training that goes on.

    Its boxes would be kept as those of the one before.
    """
    with opening() as opened:
        if _content(path) != content:
            raise ModelError(f"{path} has changed while it was opened: measure it again")
        yield opened
