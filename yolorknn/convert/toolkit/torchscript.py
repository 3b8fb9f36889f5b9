"""A TorchScript as torch itself runs it, in float on the CPU.

The toolkit's process imports this file by itself, in its own Python, as the toolkit needs torch too: nothing of ours.
"""

from typing import Any, Iterator, List

import numpy as np
import torch


class TorchScript:
    """Keeps what it loads.

    Args:
        file: made by torch.jit.trace or torch.jit.script, on whatever device and of whatever float type.
    """

    def __init__(self, file: str) -> None:
        self._model = torch.jit.load(file, map_location="cpu").eval().float()

    def run(self, inputs: List[Any]) -> List[Any]:
        """Return what forward() gives of arrays in its order: what is in tuples, in its order too."""
        given = [torch.from_numpy(np.ascontiguousarray(array)) for array in inputs]
        with torch.no_grad():
            outputs = self._model(*(value.float() if value.is_floating_point() else value for value in given))
        return [(value.float() if value.is_floating_point() else value).numpy() for value in tensors(outputs)]


def tensors(value: Any) -> Iterator[Any]:
    """Yield the tensors of a value that may be nested."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors(item)
