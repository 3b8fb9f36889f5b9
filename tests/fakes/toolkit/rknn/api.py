"""rknn-toolkit2 with a board behind it, as its manual and published logs have it: for the child process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from yolorknn.model import rknn_file
from yolorknn.tasks.known import metadata_of, output_shapes

OPERATORS = """Total Operator Elapsed Per Frame Time(us): 20000
OpType             CallNumber   CPUTime(us)  GPUTime(us)  NPUTime(us)  TotalTime(us)  TimeRatio(%)
ConvExSwish        57           0            0            19900        19900          99.50%
OutputOperator     6            100          0            0            100            0.50%
"""


class RKNN:
    """Raises ValueError where the real one does, and prints the results on stdout."""

    def __init__(self, verbose: bool) -> None:
        self._path: Path | None = None
        self._flags: tuple[bool, bool] | None = None

    def load_rknn(self, path: str) -> int:
        self._path = Path(path)
        return 0 if self._path.is_file() else -1

    def init_runtime(self, *, target: str, device_id: str, perf_debug: bool, eval_mem: bool) -> int:
        assert self._path is not None
        if target not in rknn_file.read(self._path).platforms or device_id != "0123456789ABCDEF":
            raise ValueError("Traceback (most recent call last):\n  File x\nRuntimeError\n")
        self._flags = (perf_debug, eval_mem)
        return 0

    def eval_perf(self, *, is_print: bool) -> str:
        assert self._flags is not None and is_print
        text = OPERATORS if self._flags[0] else "Total Time(us): 12500\nFPS: 80.00\n"
        print(text)
        return text

    def eval_memory(self, *, is_print: bool) -> dict[str, int]:
        if self._flags is None or not self._flags[1]:
            raise ValueError("set eval_mem in init_runtime")
        print("    Weight Memory: 3.53 MiB\n    Total Memory: 5.66 MiB\n")
        return {"weight_memory": 3698688, "total_memory": 5939200}

    def inference(self, *, inputs: list[Any], data_format: list[str]) -> list[Any] | None:
        assert self._path is not None and data_format == ["nhwc"]
        (array,) = inputs
        if array[0, 0, 0, 0] == 66:
            time.sleep(600)
        metadata = metadata_of(rknn_file.read(self._path))
        if array.shape != (1, *metadata.imgsz, 3) or array.dtype != np.uint8:
            return None
        return [np.full(shape, array[0, 0, 0, 0], np.float32) for shape in output_shapes(metadata).values()]
