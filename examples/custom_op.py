"""An op that ONNX does not have, from torch to the simulator: python custom_op.py."""

from typing import Any

import numpy as np


class TanhGelu:
    """Computes it for calibration and in the simulator; on the board a plug-in in C does."""

    op_type = "cstGelu"

    def shape_infer(self, node: Any, in_shapes: Any, in_dtypes: Any) -> Any:
        return in_shapes.copy(), in_dtypes.copy()

    def compute(self, node: Any, inputs: Any) -> Any:
        (x,) = inputs
        return [0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))]


if __name__ == "__main__":
    import torch

    from yolorknn import BuildOptions, Place, Runner, build

    class Gelu(torch.autograd.Function):  # type: ignore[misc, unused-ignore]
        """What torch computes, and what an .onnx calls it."""

        forward = staticmethod(lambda _, x: torch.nn.functional.gelu(x, approximate="tanh"))
        symbolic = staticmethod(lambda graph, x: graph.op("own::cstGelu", x))

    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)).eval()
    network.forward = lambda x: Gelu.apply(network[0](x))  # type: ignore[method-assign, no-untyped-call, unused-ignore]
    x = torch.rand(1, 3, 16, 16)
    torch.onnx.export(network, x, "gelu.onnx", input_names=["x"], output_names=["y"], custom_opsets={"own": 1})
    rknn = build("gelu.onnx", generic=True, options=BuildOptions(custom_ops=(f"{__file__}:TanhGelu",)))
    with torch.no_grad(), Runner(rknn, place=Place(simulate=True)) as runner:
        print("largest difference:", np.abs(runner.run(x=x.numpy())["y"] - network(x).numpy()).max())
