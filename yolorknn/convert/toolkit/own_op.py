"""A user's custom op, as rknn-toolkit2's reg_custom_op takes it: what it returns is looked at before the vendor does.

The toolkit's process imports this file by itself, in its own Python: it needs numpy, nothing of ours.
"""

import importlib.util
import os
import sys
from typing import Any, Dict, List, Tuple

import numpy as np


class CustomOpError(Exception):
    """What is wrong with it, in one sentence."""

    __module__ = "builtins"  # what the vendor quotes begins with it


class OwnOp:
    """The methods' parameter names are checked literally.

    Args:
        file: a Python file.
        name: of a class in it, with op_type, shape_infer and compute.
    """

    def __init__(self, file: str, name: str) -> None:
        self._of = f"{name} of {file}"
        self._shapes: Dict[Any, Any] = {}
        sys.path.insert(0, os.path.dirname(file))  # for modules beside it
        module = "custom_op_" + os.path.splitext(os.path.basename(file))[0]
        spec = importlib.util.spec_from_file_location(module, file)
        assert spec is not None and spec.loader is not None, file
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
            self._op = getattr(loaded, name)()
            self.op_type = self._op.op_type
        except Exception as exc:
            raise self._raised("it", exc) from exc

    def shape_infer(self, node: Any, in_shapes: List[Any], in_dtypes: List[Any]) -> Tuple[List[Any], List[Any]]:
        """Return shapes and dtypes of the outputs."""
        try:
            shapes, dtypes = self._op.shape_infer(node, in_shapes, in_dtypes)
            shapes, dtypes = [[int(side) for side in shape] for shape in shapes], list(dtypes)
        except Exception as exc:
            raise self._raised("shape_infer", exc) from exc
        if not len(shapes) == len(dtypes) == len(node.output):
            found = f"{len(shapes)} shapes and {len(dtypes)} dtypes for {len(node.output)} outputs"
            raise CustomOpError(f"{self._of}: shape_infer gives {found}")
        self._shapes[tuple(node.output)] = shapes
        return shapes, dtypes

    def compute(self, node: Any, inputs: List[Any]) -> List[Any]:
        """Run the op for calibration and for the simulator."""
        try:
            given = self._op.compute(node, inputs)
            given = list(given) if isinstance(given, (list, tuple)) else [given]
            arrays = [np.asarray(array) for array in given]
        except Exception as exc:
            raise self._raised("compute", exc) from exc
        told = self._shapes.get(tuple(node.output))
        found = [list(array.shape) for array in arrays]
        if told is not None and found != told:
            raise CustomOpError(f"{self._of}: compute gives {_listed(found)}, where shape_infer said {_listed(told)}")
        floats = {array.dtype for array in inputs if array.dtype.kind == "f"}
        if len(floats) == 1:  # numpy makes float64 of much, which the vendor refuses
            arrays = [array.astype(floats.copy().pop()) if array.dtype.kind == "f" else array for array in arrays]
        return arrays

    def _raised(self, what: str, exc: Exception) -> CustomOpError:
        said = str(exc).strip().splitlines()
        text = ": " + said[-1] if said else ""
        return CustomOpError(f"{self._of}: {what} raised {type(exc).__name__}{text}")


def _listed(shapes: List[Any]) -> str:
    return ", ".join("x".join(str(side) for side in shape) or "one number" for shape in shapes) or "nothing"
