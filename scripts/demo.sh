#!/bin/sh
# From a checkpoint to boxes: exports the demo model to ONNX and int8 .rknn, and runs both on the demo images.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv
yolorknn=.venv/bin/yolorknn
out=runs/demo

say "models/demo.pt -> demo.onnx -> demo-rk3588-i8.rknn, calibrated on dataset/"
$yolorknn export models/demo.pt --platform rk3588 --dataset dataset -o $out

say "the float model, on onnxruntime"
$yolorknn detect dataset/images --model $out/demo.onnx -o $out --name onnxruntime

say "the int8 model, on the vendor's simulator (slow: it computes what the NPU will)"
$yolorknn detect dataset/images --model $out/demo-rk3588-i8.rknn --simulate -o $out --name simulator

printf '\ndone: annotated pictures are in %s/onnxruntime and %s/simulator, the models in %s\n' $out $out $out
