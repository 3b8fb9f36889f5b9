"""What a TorchScript file says of itself, read without running any of it, and without torch."""

from __future__ import annotations

import pickletools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from yolorknn.errors import ModelError
from yolorknn.files import check_model_file
from yolorknn.model.fields import FAILURES
from yolorknn.text import reason_of

MOST_BYTES = 4 << 20
"""Of the code of its outermost module, and of what names that."""
_FORWARD = re.compile(r"def forward\(self: [^,)]+(?P<inputs>[^)]*)\)(?: -> (?P<outputs>[^\n]+))?:", re.DOTALL)


@dataclass(frozen=True)
class TorchScriptFile:
    """The arguments of its forward(), and how large it is; it states no shapes."""

    module: str
    """Class of the outermost module."""
    inputs: tuple[str, ...]
    """Names and types: `x: Tensor`."""
    outputs: str
    """The type of what it returns."""
    weight_bytes: int


def read(path: Path) -> TorchScriptFile:
    """Read a TorchScript file.

    Raises:
        ModelError: absent, or none.
    """
    check_model_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            module = _outermost(_part(archive, infos["data.pkl"]))
            place = "code/" + "/".join(module.split(".")[:-1]) + ".py"
            found = _forward(_part(archive, infos[place]).decode(), module.rpartition(".")[2])
            size = sum(info.file_size for name, info in infos.items() if name.startswith(("data/", "constants/")))
    except OSError as exc:
        raise ModelError(f"cannot read the model {path}: {reason_of(exc)}") from exc
    except (zipfile.BadZipFile, NotImplementedError, *FAILURES) as exc:
        raise ModelError(
            f"{path} is no TorchScript, or a damaged one: make it with torch.jit.trace(model, example).save(...)"
        ) from exc
    inputs = tuple(" ".join(part.split()) for part in found["inputs"].split(",") if part.strip())
    return TorchScriptFile(module.removeprefix("__torch__."), inputs, (found["outputs"] or "").strip(), size)


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is TorchScript, whatever its name: an archive with code, which a checkpoint has not."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, *FAILURES):
        return False


def _part(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("too large")
    return data


def _outermost(pickled: bytes) -> str:
    """Return the class of the pickled object: the first that is named. Nothing of it is made."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            return str(argument).replace(" ", ".")
    raise ValueError("no class")


def _forward(code: str, module: str) -> re.Match[str]:
    """Find the arguments of forward() of a class in its code."""
    begin = code.index(f"class {module}(")
    found = _FORWARD.search(code, begin)
    if found is None:
        raise ValueError("no forward")
    return found
