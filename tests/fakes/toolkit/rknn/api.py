"""rknn-toolkit2 as its manual and published logs have it, with a board behind it: for the child process.

Any Python from 3.6 runs it, without numpy where no arrays are given. A "model" is a text that says what goes wrong in
build().
"""

import inspect
import json
import os
import struct
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

PLATFORMS = ("rk3588", "rk3576", "rk3568")
OPERATORS = """Total Operator Elapsed Per Frame Time(us): 20000
OpType             CallNumber   CPUTime(us)  GPUTime(us)  NPUTime(us)  TotalTime(us)  TimeRatio(%)
ConvExSwish        57           0            0            19900        19900          99.50%
OutputOperator     6            100          0            0            100            0.50%
"""


def say(line: str) -> None:
    """Print as the vendor's compiler does, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class RKNN:
    """Returns -1 or raises ValueError where the real one does, and prints the results on stdout."""

    def __init__(self, verbose: bool = False, verbose_file: Optional[str] = None) -> None:
        say("\x1b[32mI rknn-toolkit2 version: 2.3.2\x1b[0m")
        self._config: Dict[str, Any] = {}
        self._model: Optional[str] = None
        self._built = self._simulates = False
        self._ops: List[Any] = []
        self._path: Optional[str] = None
        self._flags: Optional[Tuple[bool, bool]] = None

    def config(
        self,
        mean_values: Optional[List[List[float]]] = None,
        std_values: Optional[List[List[float]]] = None,
        target_platform: Optional[str] = None,
        custom_string: Optional[str] = None,
    ) -> int:
        if target_platform not in PLATFORMS:
            raise ValueError(f"Traceback (most recent call last):\nThe platform {target_platform} is not supported")
        if custom_string is not None and len(custom_string) >= 1024:
            raise ValueError("custom_string is too long")
        self._config = {"target_platform": [target_platform], "custom_string": custom_string}
        return 0

    def reg_custom_op(self, custom_op: Any) -> int:
        wanted = {"shape_infer": ["node", "in_shapes", "in_dtypes"], "compute": ["node", "inputs"]}
        for name, parameters in wanted.items():
            if list(inspect.signature(getattr(custom_op, name)).parameters) != parameters:
                raise ValueError(f"The parameters of {name} must be {parameters}")
        if not custom_op.op_type.startswith("cst"):
            return -1
        self._ops.append(custom_op)
        return 0

    def load_onnx(self, model: str, inputs: Any = None, input_size_list: Any = None, outputs: Any = None) -> int:
        if not self._config:
            say("E load_onnx: Please call rknn.config first!")
            return -1
        with open(model) as file:
            self._model = file.read()
        return 0

    def build(
        self,
        do_quantization: bool = True,
        dataset: Optional[str] = None,
        rknn_batch_size: Optional[int] = None,
        auto_hybrid: bool = False,
    ) -> int:
        if self._model is None or self._built:
            return -1
        sys.stderr.write("I Loading : 40%\rI Loading : 100%\n")
        if do_quantization:
            if dataset is None or not os.path.isfile(dataset):
                say(f"E build: The dataset file {dataset} not found!")
                return -1
            with open(dataset) as file:
                for line in file:
                    for name in line.split():  # which is why a path may have no spaces
                        if not os.path.isfile(os.path.join(os.path.dirname(dataset), name)):
                            raise ValueError(f"The image of {name} is invalid!")
        if "aborts" in self._model:
            say("Meet unsupported conv")
            os.abort()
        if "complains" in self._model:
            say("E RKNN: REGTASK: The bit width of field value exceeds the limit")
        if "hangs" in self._model:
            time.sleep(600)
        self._built = True
        return 0

    def export_rknn(self, export_path: str, cpp_gen_cfg: Any = None) -> int:
        if not self._built:
            return -1
        with open(export_path, "w") as file:
            file.write(json.dumps(self._config))
        return 0

    def load_rknn(self, path: str) -> int:
        self._path = path
        return 0 if os.path.isfile(path) else -1

    def init_runtime(
        self,
        target: Optional[str] = None,
        device_id: Optional[str] = None,
        perf_debug: bool = False,
        eval_mem: bool = False,
    ) -> int:
        if target is None:
            self._simulates = self._built
            return 0 if self._built else -1
        if target not in self._trailer()["target_platform"] or device_id != "0123456789ABCDEF":
            raise ValueError("Traceback (most recent call last):\n  File x\nRuntimeError\n")
        self._flags = (perf_debug, eval_mem)
        return 0

    def eval_perf(self, *, is_print: bool) -> str:
        assert self._flags is not None and is_print
        text = OPERATORS if self._flags[0] else "Total Time(us): 12500\nFPS: 80.00\n"
        print(text)
        return text

    def eval_memory(self, *, is_print: bool) -> Dict[str, int]:
        if self._flags is None or not self._flags[1]:
            raise ValueError("set eval_mem in init_runtime")
        print("    Weight Memory: 3.53 MiB\n    Total Memory: 5.66 MiB\n")
        return {"weight_memory": 3698688, "total_memory": 5939200}

    def inference(self, inputs: List[Any], data_format: Optional[List[str]] = None) -> Optional[List[Any]]:
        import numpy as np

        assert data_format == ["nhwc"] * len(inputs)
        (array,) = inputs
        if array.ndim != 4 or array.dtype == np.float64:
            say("E inference: unsupported input")
            return None
        if self._simulates:
            return [
                array.transpose(0, 3, 1, 2).astype(np.float32),
                array.mean(keepdims=True).ravel().astype(np.float32),
            ]
        return self._inference_on_a_board(array)

    def _inference_on_a_board(self, array: Any) -> Optional[List[Any]]:
        import numpy as np

        if array[0, 0, 0, 0] == 66:
            time.sleep(600)
        taken, *given = [tuple(tensor["size"]) for tensor in self._trailer()["norm_tensor"]]
        if array.transpose(0, 3, 1, 2).shape != taken or array.dtype != np.uint8:
            return None
        return [np.full(shape, array[0, 0, 0, 0] / np.float32(255), np.float32) for shape in given]

    def _trailer(self) -> Any:
        """Return the JSON at the end of a .rknn."""
        assert self._path is not None
        with open(self._path, "rb") as file:
            data = file.read()
        return json.loads(data[64 + struct.unpack_from("<Q", data, 16)[0] + 8 :].decode())
