"""Models that are no detectors, in any format rknn-toolkit2 loads: built as they are, run by other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from yolorknn.convert.recipe.build_options import BuildOptions
from yolorknn.convert.recipe.config import check_names, parameters
from yolorknn.convert.recipe.listing import link
from yolorknn.convert.recipe.prepared import prepare
from yolorknn.convert.recipe.request import BuildRequest
from yolorknn.errors import BuildError, ModelError
from yolorknn.files import check_model_file, sha256
from yolorknn.model import onnx_file
from yolorknn.model.metadata import Tensor
from yolorknn.model.onnx_file import OnnxFile
from yolorknn.model.torchscript_file import is_torchscript
from yolorknn.toolkits.installed import Installed


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


REFUSED = ("uint8", "int8", "uint16", "int16", "uint32", "uint64")
"""Types of inputs of which 2.3.2 fails, of bytes with SIGABRT and SIGSEGV; floats, int32, int64 and bool it takes."""


def format_of(model: Path) -> str:
    """Return the suffix of a model's format: its own, but of TorchScript under the name .pt or .pth."""
    suffix = model.suffix.lower()
    return ".torchscript" if suffix in (".pt", ".pth") and is_torchscript(model) else suffix


def loader_of(
    model: Path, load: Mapping[str, Any], scratch: Path, toolkit: Installed, *, quantized: bool = False
) -> tuple[str, dict[str, Any]]:
    """Return the call that loads a model and its arguments; the files are linked into `scratch`.

    Args:
        model: of any of LOADERS.
        load: arguments of the call that the user gave.
        scratch: folder for the files.
        toolkit: that loads it.
        quantized: whether ranges will be measured for int8.

    Raises:
        ModelError: absent, or of an unknown format.
        BuildError: `load` has a wrong name or lacks one; or a package that the toolkit needs is not installed.
    """
    loader = LOADERS.get(format_of(model))
    if loader is None:
        check_model_file(model)
        hint = f"; 'yolorknn export {model}' makes an .onnx of a checkpoint" if model.suffix.lower() == ".pt" else ""
        raise ModelError(f"{model} has suffix '{model.suffix}': build reads {', '.join(LOADERS)}{hint}")
    check_model_file(model)
    known = [name for name in parameters(loader.call, toolkit) if name not in (loader.file, loader.weights)]
    check_names(load, known, where=f"in [load] for {loader.call}")
    if missing := [name for name in loader.needs if name not in load]:
        size = f"'yolorknn build {model} --generic --size 1x3x224x224' gives it, or" * (missing == ["input_size_list"])
        raise BuildError(f"{loader.call} needs {', '.join(missing)}: {size or 'write it into'} [load] of --config")
    if loader.package and not toolkit.has(loader.package):
        raise BuildError(
            f"rknn-toolkit2 reads {model.suffix} by means of {loader.package}, which is not installed: "
            "pip install 'tensorflow==2.15.*' 'protobuf<4.25.5' (Python 3.10 or 3.11), or convert the model to ONNX"
        )
    arguments = {**load, **(_onnx(model, load, scratch, quantized=quantized) if loader.call == "load_onnx" else {})}
    arguments.setdefault(loader.file, link(model, scratch))
    if loader.weights:
        arguments[loader.weights] = link(_weights_of(model, loader), scratch)
    return loader.call, arguments


def _weights_of(model: Path, loader: Loader) -> Path:
    weights = model.with_suffix(loader.suffix)
    if not weights.is_file():  # the vendor would invent random ones
        raise ModelError(f"{model} needs its weights beside it, but there is no {weights}")
    return weights


def check_closed(file: OnnxFile, options: BuildOptions) -> None:
    """Refuse inputs with open sides, but for the batch, of which the options do not say how long they are.

    Raises:
        BuildError: one is such.
    """
    if "input_size_list" in options.load or "dynamic_input" in options.config:
        return
    if any(0 in tensor.shape[1:] for tensor in file.inputs):
        sides = {tensor.name: file.open_sides.get(tensor.name, map(str, tensor.shape)) for tensor in file.inputs}
        sizes = " ".join(f"--size {name}={'x'.join(lengths)}" for name, lengths in sides.items())
        raise BuildError(
            f"{file.path} leaves sides of its inputs open: 'yolorknn build {file.path} --generic {sizes}', with "
            "numbers for the letters, closes them"
        )


def loaded_inputs(inputs: Sequence[Tensor], load: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Return a model's inputs as [load] has them: in its order, in which rows have their files, and of its sizes.

    Args:
        inputs: the model's own.
        load: arguments of the call that loads it.

    Returns:
        Nothing where it makes others of them, as inner tensors.
    """
    own = {tensor.name: tensor for tensor in inputs}
    names, sizes = load.get("inputs", list(own)), load.get("input_size_list", ())
    whole = isinstance(names, list) and len(names) == len(own) and own.keys() == set(map(str, names))
    if not whole or "input_initial_val" in load or not all(isinstance(size, list) for size in sizes):
        return ()
    closed = dict(zip(names, sizes, strict=False))
    return tuple(own[name]._replace(shape=tuple(closed.get(name, own[name].shape))) for name in names)


def check_types(file: OnnxFile, options: BuildOptions) -> None:
    """Refuse inputs of types that the toolkit has none of, or ends of without a word.

    Raises:
        BuildError: one is such.
    """
    if "inputs" in options.load or "DequantizeLinear" in file.ops:  # with whose scale it takes those of int8
        return
    if refused := [tensor for tensor in file.inputs if tensor.dtype in REFUSED]:
        raise BuildError(
            f"{file.path} takes {refused[0].name} as {refused[0].dtype}, of which rknn-toolkit2 takes no input: export "
            "it with an input of floats, in place of the Cast behind this one"
        )


def source_digest(model: Path) -> str:
    """Return the sha256 over a model's file, and after it over those that hold its weights.

    Raises:
        ModelError: one of these is absent.
    """
    loader = LOADERS.get(format_of(model))
    if loader is None or loader.weights is None:
        return onnx_file.digest(model)
    return sha256(model, _weights_of(model, loader))


def checked_digest(request: BuildRequest) -> str:
    """Return the digest of what is to be built, which is read several times: each time it must be the same.

    Raises:
        ModelError: the model is absent, or another than the request has the digest of.
    """
    return same_digest(request.model, request.sha256)


def same_digest(model: Path, before: str | None) -> str:
    """Return a model's digest, which must be as before, where that is given.

    Raises:
        ModelError: the model is absent, or another.
    """
    check_model_file(model)
    digest = source_digest(model)
    if before not in (None, digest):
        raise ModelError(f"{model} has changed while it was read for the build: build it again")
    return digest


def _onnx(model: Path, load: Mapping[str, Any], scratch: Path, *, quantized: bool) -> dict[str, Any]:
    """Return the arguments of load_onnx() that follow from `load` and the model: the file, its inputs, frozen ones.

    Raises:
        ModelError: it is unreadable.
        BuildError: `load` contradicts it.
    """
    sides = onnx_file.input_sides(model)
    names, sizes, values = (load.get(name) for name in ("inputs", "input_size_list", "input_initial_val"))
    names = list(sides) if names is None else list(names)
    made: dict[str, Any] = {"model": str(scratch / "model.onnx")}
    prepare(model, scratch / "model.onnx", one_image=sizes is None, averages=quantized)
    if sizes is None and values is not None:  # the toolkit freezes an input only of a size that it is told
        sizes = [list(onnx_file.input_sides(scratch / "model.onnx").get(name, ())) for name in names]
        if not all(map(all, sizes)):
            raise BuildError("input_initial_val needs input_size_list too, as the model's inputs have no fixed size")
    if sizes is not None:
        if not isinstance(sizes, list) or len(sizes) != len(names):
            raise BuildError(f"input_size_list = {sizes!r} is not a size for each input: {', '.join(names)}")
        for name, size in zip(names, sizes, strict=True):
            _check_size(model, name, size, sides.get(name, ()))
        made |= {"inputs": names, "input_size_list": sizes}
    if values is not None and sizes is not None:
        if not isinstance(values, list) or len(values) != len(names):
            raise BuildError(f"input_initial_val is not a list with an array for each input: {', '.join(names)}")
        made["input_initial_val"] = [
            _frozen(name, size, value) for name, size, value in zip(names, sizes, values, strict=True)
        ]
    return made


def _check_size(model: Path, name: str, size: Any, sides: Sequence[int]) -> None:
    """Refuse a size that is none, or not the one that the model has; of an inner tensor `sides` are none."""
    if not isinstance(size, list) or not all(isinstance(side, int) and side > 0 for side in size):
        raise BuildError(f"input_size_list says {size!r} for {name}, which is no list of sides")
    if sides and (len(size) != len(sides) or any(side not in (0, own) for side, own in zip(sides, size, strict=True))):
        stated = ", ".join(str(side or "any") for side in sides)
        raise BuildError(
            f"input_size_list says {size} for {name}, which in {model} is [{stated}]: leave it out, or export "
            "the model at that size"
        )


def _frozen(name: str, size: Sequence[int], value: Any) -> NDArray[np.float32] | None:
    """Return the values of a frozen input; None for [], an input that stays one."""
    if value == []:
        return None
    try:
        array = np.array(value, np.float32)
    except (TypeError, ValueError):
        array = np.zeros(0, np.float32)
    if array.shape != tuple(size) and array.ndim:
        raise BuildError(
            f"input_initial_val has {'x'.join(map(str, array.shape))} numbers for {name}, which is "
            f"{'x'.join(map(str, size))}: give as many, one number for all, or [] for an input that stays one"
        )
    return np.full(size, array, np.float32)
