"""Heads of others for chips of the first generation, which run no layer in float16 beside others in eight bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import DATASET
from yolorknn.convert.first.plan import FirstRequest, first_planned
from yolorknn.data.calibration_set import CalibrationSet
from yolorknn.errors import BuildError
from yolorknn.toolkits.first import FirstToolkit

TOOLKIT = FirstToolkit(Path("python"), "1.7.3", "3.6")
FEW = CalibrationSet(DATASET / "images", (DATASET / "images/0000.jpg",))


def grids(path: Path, parts: list[tuple[int, bool]], **more: tuple[int, ...]) -> Path:
    """Write an .onnx of 64 x 64 with an output a stride, joined of convolutions, some behind a Sigmoid; and zeros."""
    nodes, constants = [], []
    outputs = list[tuple[str, tuple[int, ...]]]()
    for stride in (8, 16, 32):
        joined = []
        for number, (channels, squashed) in enumerate(parts):
            name = f"p{stride}_{number}"
            constants.append(numpy_helper.from_array(np.zeros((channels, 3, stride, stride), np.float32), f"{name}_w"))
            nodes.append(helper.make_node("Conv", ["images", f"{name}_w"], [name], strides=[stride, stride]))
            if squashed:
                nodes.append(helper.make_node("Sigmoid", [name], [f"{name}_s"]))
            joined.append(f"{name}_s" if squashed else name)
        nodes.append(helper.make_node("Concat", joined, [f"o{stride}"], axis=1))
        outputs.append((f"o{stride}", (1, sum(channels for channels, _ in parts), 64 // stride, 64 // stride)))
    for name, shape in more.items():
        constants.append(numpy_helper.from_array(np.zeros(shape, np.float32), f"{name}_c"))
        nodes.append(helper.make_node("Identity", [f"{name}_c"], [name]))
        outputs.append((name, shape))
    graph = helper.make_graph(
        nodes,
        "others",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 64, 64))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_keypoints_in_pixels_are_not_quantized(tmp_path: Path) -> None:
    model = grids(tmp_path / "pose.onnx", [(64, False), (1, False)], points=(1, 17, 3, 84))
    with (
        pytest.raises(BuildError, match=r"would lose its keypoints.*'yolorknn export', or build with --dtype fp16$"),
        first_planned(FirstRequest(model, "rv1126", dataset=FEW), TOOLKIT),
    ):
        pass
    with first_planned(FirstRequest(model, "rv1126"), TOOLKIT) as plan:
        assert plan.metadata.task == "pose"


def test_scores_that_share_a_scale_with_boxes_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = grids(tmp_path / "yolox.onnx", [(4, False), (1, True), (3, True)])
    with first_planned(FirstRequest(model, "rv1126", dataset=FEW), TOOLKIT) as plan:
        assert plan.metadata.outputs[0].role == "yolox"
    assert "in eight bits these chips run no float16, so that boxes and scores share a scale" in caplog.text
