"""Models that are no detectors, in any format rknn-toolkit2 loads: built as they are, run by other programs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from yolorknn.convert.recipe.config import check_names, parameters
from yolorknn.errors import BuildError, CalibrationError, ModelError
from yolorknn.files import writing
from yolorknn.image import IMAGE_SUFFIXES


class Loader(NamedTuple):
    """A call that reads one format."""

    call: str
    file: str = "model"
    """Its parameter for the model's file."""
    weights: str | None = None
    """Its parameter for the weights' file, where they stand apart."""
    suffix: str = ""
    """Of that file, beside the model."""
    needs: tuple[str, ...] = ()
    """Parameters without a default."""
    package: str | None = None


LOADERS = {
    ".onnx": Loader("load_onnx"),
    ".torchscript": Loader("load_pytorch", needs=("input_size_list",)),
    ".tflite": Loader("load_tflite", package="tensorflow"),
    ".pb": Loader("load_tensorflow", "tf_pb", needs=("inputs", "input_size_list", "outputs"), package="tensorflow"),
    ".prototxt": Loader("load_caffe", weights="blobs", suffix=".caffemodel"),
    ".cfg": Loader("load_darknet", weights="weight", suffix=".weights"),
}


def loader_of(model: Path, load: Mapping[str, Any], scratch: Path) -> tuple[str, dict[str, Any]]:
    """Return the call that loads a model and its arguments; the files are linked into `scratch`.

    Raises:
        ModelError: absent, or of an unknown format.
        BuildError: `load` has a wrong name or lacks one; or a package that the toolkit needs is not installed.
    """
    loader = LOADERS.get(model.suffix.lower())
    if loader is None:
        raise ModelError(f"{model} has suffix '{model.suffix}': build reads {', '.join(LOADERS)}")
    if not model.is_file():
        raise ModelError(f"there is no model file {model}")
    known = [name for name in parameters(loader.call) if name not in (loader.file, loader.weights)]
    check_names(load, known, where=f"in [load] for {loader.call}")
    if missing := [name for name in loader.needs if name not in load]:
        raise BuildError(f"{loader.call} needs {', '.join(missing)}: write it into [load] of the --config file")
    if loader.package and importlib.util.find_spec(loader.package) is None:
        raise BuildError(
            f"rknn-toolkit2 reads {model.suffix} by means of {loader.package}, which is not installed: "
            "pip install 'tensorflow==2.15.*' 'protobuf<4.25.5' (Python 3.10 or 3.11), or convert the model to ONNX"
        )
    arguments = {**load, loader.file: _link(model, scratch)}
    if loader.weights:
        weights = model.with_suffix(loader.suffix)
        if not weights.is_file():  # the vendor would invent random ones
            raise ModelError(f"{model} needs its weights beside it, but there is no {weights}")
        arguments[loader.weights] = _link(weights, scratch)
    if "input_initial_val" in arguments:
        arguments["input_initial_val"] = [np.array(value, np.float32) for value in arguments["input_initial_val"]]
    return loader.call, arguments


def listing(dataset: Path, scratch: Path) -> Path:
    """Write the list of calibration files as the toolkit wants it; it reads and resizes them itself.

    Args:
        dataset: a folder of images, or a list (.txt): one line per inference, a file per input, separated by spaces.
        scratch: folder for the list and links to the files.

    Returns:
        The list.

    Raises:
        CalibrationError: absent or empty, or names a file that is not there.
    """
    try:
        if dataset.is_dir():
            rows = [[path] for path in sorted(dataset.iterdir()) if path.suffix.lower() in {*IMAGE_SUFFIXES, ".npy"}]
        else:
            lines = dataset.read_text(encoding="utf-8").splitlines()
            rows = [[dataset.parent / name for name in line.split()] for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError) as exc:
        raise CalibrationError(
            f"cannot read the calibration set {dataset}: {getattr(exc, 'strerror', None) or exc}; "
            "for a generic model, give a folder of images or a list (.txt)"
        ) from exc
    if not rows:
        raise CalibrationError(f"{dataset} has no images")
    for path in (path for row in rows for path in row):
        if not path.is_file():
            raise CalibrationError(f"{dataset}: there is no file {path} (a name in a list may have no spaces)")
    made = scratch / "dataset.txt"
    with writing(made):
        made.write_text("".join(" ".join(_link(path, scratch) for path in row) + "\n" for row in rows))
    return made


def _link(path: Path, scratch: Path) -> str:
    """Return a name for the file that the vendor's code can take, whatever is in its own."""
    number = sum(1 for _ in scratch.iterdir())
    link = scratch / f"{number}{path.suffix.lower()}"
    with writing(link):
        link.symlink_to(path.resolve())
    return str(link)
