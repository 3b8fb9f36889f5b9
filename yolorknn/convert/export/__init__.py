""".pt -> .onnx: an ultralytics checkpoint to a fixed-shape, RKNN-friendly ONNX."""
