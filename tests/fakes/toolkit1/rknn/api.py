"""rknn-toolkit 1.7 as the vendor's guides have it, for the child process: any Python from 3.6 runs it.

No real one could be had. It returns -1, raises and prints where the guides say so, and refuses what they do not have,
so that a call held to it is a call that is documented. The version is that of the dist-info beside it: 1.7.5 has no
simulator and no pre_compile. FAKE_BOARD in the environment is the chip of an attached board, "rv1126 mini" one with the
mini driver.
"""

import json
import os
import struct
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

FAMILIES = ({"rk1806", "rk1808", "rk3399pro"}, {"rv1109", "rv1126"})
DTYPES = ("asymmetric_quantized-u8", "dynamic_fixed_point-i8", "dynamic_fixed_point-i16")
MAGIC = b"RKNN 1.x "


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def version() -> Tuple[int, ...]:
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    (name,) = [name for name in os.listdir(here) if name.startswith("rknn_toolkit-")]
    return tuple(int(part) for part in name.split("-")[1].split(".")[:3])


def fields(data: bytes) -> Iterator[Tuple[int, Any]]:
    """Return the fields of a protobuf message: numbers, and bytes for what has a length."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        kind = key & 7
        if kind == 0:
            yield key >> 3, number()
        else:
            size = {1: 8, 5: 4}.get(kind) or number()
            yield key >> 3, data[at : at + size]
            at += size


def of(data: bytes, field: int) -> List[Any]:
    return [value for number, value in fields(data) if number == field]


class RKNN:
    """Its calls, with the parameters that the guide of 1.7 lists."""

    def __init__(self, verbose: bool = False, verbose_file: Optional[str] = None) -> None:
        say("I rknn-toolkit version: " + ".".join(map(str, version())))
        self._config: Optional[Dict[str, Any]] = None
        self._outputs: List[List[int]] = []
        self._size: Tuple[int, int] = (0, 0)
        self._loaded = self._built = self._compiled = self._running = False

    def config(  # noqa: PLR0917
        self,
        batch_size: int = 100,
        mean_values: Optional[List[List[float]]] = None,
        std_values: Optional[List[List[float]]] = None,
        epochs: int = -1,
        reorder_channel: Optional[str] = None,
        need_horizontal_merge: bool = False,
        quantized_dtype: str = "asymmetric_quantized-u8",
        quantized_algorithm: str = "normal",
        mmse_epoch: int = 3,
        optimization_level: int = 3,
        target_platform: Optional[List[str]] = None,
        quantize_input_node: bool = False,
        merge_dequant_layer_and_output_node: bool = False,
        force_builtin_perm: bool = False,
        output_optimize: int = 0,
    ) -> None:
        if not isinstance(target_platform, list):
            raise TypeError("target_platform must be a list of platforms")
        if not any(set(target_platform) <= family for family in FAMILIES):
            raise ValueError(f"target_platform {target_platform}: not of one family")
        if quantized_dtype not in DTYPES:
            raise ValueError("unknown quantized_dtype " + quantized_dtype)
        assert mean_values and std_values and reorder_channel
        if not len(mean_values[0]) == len(std_values[0]) == len(reorder_channel.split()):
            raise ValueError("mean, std and reorder_channel are of other numbers of channels")
        self._config = {"target_platform": target_platform, "batch_size": batch_size, "mean_values": mean_values}

    def load_onnx(
        self, model: str, inputs: Any = None, input_size_list: Optional[List[List[int]]] = None, outputs: Any = None
    ) -> int:
        if self._config is None:
            say("E Please call rknn.config first!")
            return -1
        if any(len(size) > 3 for size in input_size_list or []):
            say("E input_size_list has a batch")
            return -1
        with open(model, "rb") as file:
            data = file.read()
        opsets = [of(entry, 2)[0] for entry in of(data, 8) if not of(entry, 1) or of(entry, 1)[0] == b""]
        if of(data, 1)[0] > 8 or not all(8 <= opset <= 12 for opset in opsets):
            say(f"E onnx 1.10 does not read ir {of(data, 1)[0]}, opset {opsets}")
            return -1
        (graph,) = of(data, 7)
        shape = self._shape(of(graph, 11)[0])
        self._size = (shape[2], shape[3])
        self._outputs = [self._shape(value) for value in of(graph, 12)]
        self._loaded = True
        return 0

    @staticmethod
    def _shape(value: bytes) -> List[int]:
        tensor = of(of(value, 2)[0], 1)[0]
        return [of(dim, 1)[0] for dim in of(of(tensor, 2)[0], 1)]

    def build(self, do_quantization: bool = True, dataset: Optional[str] = "./dataset.txt", **others: Any) -> int:
        known = {"rknn_batch_size"} if version() >= (1, 7, 5) else {"rknn_batch_size", "pre_compile"}
        if set(others) - known:
            raise TypeError(f"build() got an unexpected keyword argument '{min(set(others) - known)}'")
        if not self._loaded:
            return -1
        assert self._config is not None
        if do_quantization:
            if not dataset or not os.path.isfile(dataset):
                say(f"E dataset {dataset} not found")
                return -1
            with open(dataset) as file:
                names = file.read().split()
            if self._config["batch_size"] > len(names):
                say("E batch_size is above the number of images")
                return -1
            for name in names:
                with open(name, "rb") as picture:
                    start = picture.read(24)
                if start[:8] != b"\x89PNG\r\n\x1a\n" or struct.unpack(">II", start[16:]) != self._size[::-1]:
                    raise ValueError(f"the picture {name} is none of the input's size")
            self._config["images"] = len(names)
        self._compiled, self._built = bool(others.get("pre_compile")), True
        return 0

    def export_rknn(self, export_path: str) -> int:
        if not self._built:
            return -1
        facts = dict(self._config or {}, compiled=self._compiled, outputs=self._outputs)
        with open(export_path, "wb") as file:
            file.write(MAGIC + json.dumps(facts).encode())
        return 0

    def load_rknn(self, path: str) -> int:
        with open(path, "rb") as file:
            data = file.read()
        if not data.startswith(MAGIC):
            return -1
        self._config = json.loads(data[len(MAGIC) :].decode())
        return 0

    def init_runtime(  # noqa: PLR0917
        self,
        target: Optional[str] = None,
        device_id: Optional[str] = None,
        perf_debug: bool = False,
        eval_mem: bool = False,
        async_mode: bool = False,
        rknn2precompile: bool = False,
    ) -> int:
        assert self._config is not None
        if target is None:
            if version() >= (1, 7, 5) or not self._built or self._compiled:
                say("E the simulator is not there, or does not run a pre-compiled model")
                return -1
            self._running = True
            return 0
        board, _, mini = os.environ.get("FAKE_BOARD", "").partition(" ")
        if target != board or (device_id or "0") != "0":
            say("E Can not find device " + target)
            return -1
        if mini:
            say("E rknn_server is not there: the mini driver has no debugging")
            return -1
        self._running = rknn2precompile
        return 0

    def export_rknn_precompile_model(self, export_path: str) -> int:
        if not self._running:
            return -1
        self._config["compiled"] = True  # type: ignore[index]
        with open(export_path, "wb") as file:
            file.write(MAGIC + json.dumps(self._config).encode())
        return 0

    def inference(
        self,
        inputs: List[Any],
        data_type: Optional[str] = None,
        data_format: str = "nhwc",
        inputs_pass_through: Any = None,
        get_frame_id: bool = False,
    ) -> Optional[List[Any]]:
        import numpy as np

        (array,) = inputs
        if not self._running or str(array.dtype) != (data_type or "uint8") or data_format != "nhwc":
            say("E inference: not running, or data_type is not that of the array")
            return None
        if array.shape != (1, *self._size, 3):
            say(f"E inference: shape {array.shape}")
            return None
        return [np.full(shape, float(array.mean()) / 255, np.float32) for shape in self._outputs]
