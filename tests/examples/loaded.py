"""Examples as modules, and a core that holds what it is given."""

from __future__ import annotations

import importlib.util
import threading
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from tests.conftest import DEMO_ONNX, ROOT
from yolorknn import SimulatedNpu


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Held(SimulatedNpu):
    """A core that holds every inference until it is let go."""

    def __init__(self) -> None:
        super().__init__(DEMO_ONNX, 1)
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def infer(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        self.begun.release()
        assert self.go.wait(30)
        return super().infer(image)
