"""Custom ops of the user: a Python class each, which the toolkit's process runs for calibration and simulation."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yolorknn.convert.export.custom_op import OP_TYPE as SOFTMAX
from yolorknn.convert.toolkit import cst_softmax, own_op
from yolorknn.convert.toolkit.process import Instance
from yolorknn.errors import BuildError, ModelError
from yolorknn.files import decoded, sha256
from yolorknn.model.custom_ops import is_custom

METHODS = {"shape_infer": ("node", "in_shapes", "in_dtypes"), "compute": ("node", "inputs")}
"""What such a class has, with what each is given."""


@dataclass(frozen=True)
class OwnOp:
    """An op that a Python class computes."""

    given: str
    """As the user named it: FILE.py:CLASS."""
    file: Path
    op_type: str

    @property
    def recorded(self) -> dict[str, str]:
        """What a .rknn says of it."""
        return {"class": self.given, "sha256": sha256(self.file)}


def own_ops(given: Sequence[str], ops: Collection[str], model: Path) -> tuple[OwnOp, ...]:
    """Return the ops that classes are given for, once each.

    Args:
        given: FILE.py:CLASS, for each.
        ops: those of the model.
        model: its file, for messages.

    Raises:
        BuildError: a file or class is not there or not such a class, or the model has no such op.
    """
    found = tuple(_read(text) for text in dict.fromkeys(given))
    types = [op.op_type for op in found]
    for op in found:
        if types.count(op.op_type) > 1:
            raise BuildError(f"two classes are given for the op {op.op_type}: {op.given} is one of them")
        if op.op_type not in ops:
            own = ", ".join(sorted(filter(is_custom, ops))) or "none"
            raise BuildError(f"{model} has no op {op.op_type}, which {op.given} is for; its custom ops: {own}")
    return found


def registered(ops: Collection[str], own: Iterable[OwnOp]) -> tuple[Instance, ...]:
    """Return what the toolkit's process is to register for a model: the user's ops, and ours where nobody replaces it.

    Raises:
        BuildError: the model has a custom op that nobody computes.
    """
    given = {
        op.op_type: Instance(
            Path(own_op.__file__), "OwnOp", {"file": str(op.file.resolve()), "name": op.given.rpartition(":")[2]}
        )
        for op in own
    }
    known = {SOFTMAX: Instance(Path(cst_softmax.__file__), "CstSoftmax")} | given
    wanted = sorted(filter(is_custom, ops))
    if unknown := [op for op in wanted if op not in known]:
        raise BuildError(
            f"the model has the op {unknown[0]}, which is no ONNX op: give the class that computes it, as "
            f"--custom-op FILE.py:{unknown[0]}"
        )
    return tuple(known[op] for op in wanted)


def _read(text: str) -> OwnOp:
    """Read what is to be known of a class without running its file, which is the toolkit's process's to do."""
    file, colon, name = text.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise BuildError(f"'{text}' names no class of a custom op: give it as FILE.py:CLASS")
    path = Path(file)
    try:
        tree = ast.parse(decoded(path.read_bytes()))
    except OSError as exc:
        raise BuildError(f"cannot read the custom op in {path}: {exc.strerror or exc}") from exc
    except (SyntaxError, ValueError, RecursionError) as exc:
        raise BuildError(f"{path} is no Python that can be read ({exc})") from exc
    found = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if found is None:
        raise BuildError(f"{path} has no class {name}")
    methods = {node.name: len(node.args.args) - 1 for node in found.body if isinstance(node, ast.FunctionDef)}
    for method, arguments in METHODS.items():
        said = f"{method}(self, {', '.join(arguments)})"
        if method not in methods:
            raise BuildError(f"class {name} in {path} has no {said}: a custom op has op_type, shape_infer and compute")
        if methods[method] != len(arguments):
            raise BuildError(f"{method} of class {name} in {path} must be {said}")
    op_type = next((value for node in found.body if (value := _op_type(node)) is not None), None)
    if op_type is None:
        raise BuildError(f"class {name} in {path} has no op_type, the op's name in the .onnx as a text")
    if not is_custom(op_type):
        raise BuildError(
            f"op_type '{op_type}' of class {name} in {path} is no custom op's: such names begin with cst, as cstGelu, "
            "in the .onnx too; ops of ONNX's own cannot be replaced"
        )
    return OwnOp(text, path, op_type)


def _op_type(node: ast.stmt) -> str | None:
    match node:
        case (
            ast.Assign(targets=[ast.Name("op_type")], value=ast.Constant(str(value)))
            | ast.AnnAssign(target=ast.Name("op_type"), value=ast.Constant(str(value)))
        ):
            return value
    return None


def unchanged(recorded: Mapping[str, Mapping[str, str]], rknn: Path) -> tuple[str, ...]:
    """Return the classes that a .rknn was built with as they are found now: as they were named, or beside the .rknn.

    Args:
        recorded: see model.metadata.Build.
        rknn: the .rknn.

    Raises:
        ModelError: a file is not there, or has changed.
    """
    return tuple(_found(op["class"], op["sha256"], rknn) for op in recorded.values())


def _found(text: str, digest: str, rknn: Path) -> str:
    named, _, name = text.rpartition(":")
    for file in (Path(named), rknn.parent / Path(named).name):
        if file.is_file():
            if sha256(file) != digest:
                raise ModelError(f"{file} has changed since {rknn} was built with its {name}: build it again")
            return f"{file}:{name}"
    raise ModelError(f"building {rknn} again needs its custom op {name}, but there is no {named}: copy it there")
