"""What 0.1.0 wrote, from tests/recorded: files made whole again but for their networks, and keys compared."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parent.parent / "recorded"


def recorded(name: str) -> Any:
    """Return one of the files."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def names_of(folder: str) -> list[str]:
    """Return what a folder holds."""
    return sorted(f"{folder}/{path.stem}" for path in (RECORDED / folder).glob("*.json"))


def rknn_of(name: str, folder: Path) -> Path:
    """Write the .rknn, and the .json beside it where there was one."""
    file = recorded(name)
    texts = [text.encode() + b"\0" for text in (file["custom_string"], file["attrs"]) if text is not None]
    body, trailer = b"network\0" + b"".join(texts), file["trailer"].encode()
    header = (b"RKNN" + struct.pack("<IQQ", 0, file["version"], len(body))).ljust(64, b"\0")
    path = folder / str(file["name"])
    path.write_bytes(header + body + struct.pack("<Q", len(trailer)) + trailer)
    if "sidecar" in file:
        path.with_suffix(".json").write_text(file["sidecar"])
    return path


def onnx_of(name: str, path: Path) -> Path:
    """Write an .onnx with these inputs, outputs and properties."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    file = recorded(name)

    def values(tensors: list[Any]) -> list[Any]:
        return [
            helper.make_tensor_value_info(tensor, TensorProto.DataType.Value(dtype.upper()), shape)
            for tensor, shape, dtype in tensors
        ]

    nodes = [helper.make_node("ConstantOfShape", [f"shape of {tensor}"], [tensor]) for tensor, *_ in file["outputs"]]
    shapes = [
        numpy_helper.from_array(np.array(shape, np.int64), f"shape of {tensor}") for tensor, shape, _ in file["outputs"]
    ]
    graph = helper.make_graph(nodes, "g", values(file["inputs"]), values(file["outputs"]), shapes)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", file["opset"])], ir_version=8)
    helper.set_model_props(model, file["properties"])
    onnx.save(model, str(path))
    return path


def assert_still_said(then: Any, now: Any, *, where: str = "", values: bool = False) -> None:
    """Every key is there yet, in its order, with a value of its kind (or the very value); there may be more of them.

    Of a list, each entry now is compared with the first of then. None goes for any kind.
    """
    if isinstance(then, dict):
        assert isinstance(now, dict), where
        assert [key for key in now if key in then] == list(then), (
            f"{where}: the keys were {list(then)}, are {list(now)}"
        )
        for key, value in then.items():
            assert_still_said(value, now[key], where=f"{where}/{key}", values=values)
    elif isinstance(then, list) and values:
        assert isinstance(now, list) and len(now) == len(then), where
        for number, pair in enumerate(zip(then, now, strict=True)):
            assert_still_said(*pair, where=f"{where}/{number}", values=True)
    elif isinstance(then, list):
        assert isinstance(now, list), where
        for entry in now if then else []:
            assert_still_said(then[0], entry, where=f"{where}/", values=False)
    elif values:
        assert now == then, where
    else:
        kinds = [float if type(value) is int else type(value) for value in (then, now)]
        assert None in (then, now) or kinds[0] is kinds[1], f"{where}: {then!r} became {now!r}"
