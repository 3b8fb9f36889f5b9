"""From a checkpoint to a .rknn, and what int8 costs: needs rknn-toolkit2, and takes a minute or two.

python examples/convert.py [CHECKPOINT [DATA.yaml]]
"""

import sys
from pathlib import Path

from yolorknn import BuildOptions, Place, build, export, validate

ROOT = Path(__file__).resolve().parent.parent


def main(checkpoint: str = f"{ROOT}/models/demo.pt", data: str = f"{ROOT}/dataset/data.yaml") -> None:
    """Write the models into the current folder; measure float with onnxruntime, int8 on the vendor's simulator."""
    onnx = export(checkpoint, output=".")
    options = BuildOptions(algorithm="normal")  # the vendor's own ranges; the default is better
    rknn = build(onnx, platform="rk3588", dataset=data, options=options)
    exact = validate(onnx, data)
    quantized = validate(rknn, data, place=Place(simulate=True))
    print(f"{rknn.name}: mAP50-95 {quantized.map:.3f}, float {exact.map:.3f}")
    for float_ap, int8_ap in zip(exact.per_class, quantized.per_class, strict=True):
        print(f"{float_ap.name:<10} {int8_ap.map - float_ap.map:+.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
