"""The PC's half: .pt -> .onnx -> .rknn. Nothing on the board imports it."""
