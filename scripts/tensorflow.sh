#!/bin/sh
# Tests .tflite and .pb with a TensorFlow put beside .venv's packages, into .tensorflow. Run after test.sh.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
beside "$PWD/.tensorflow" "tensorflow-cpu==2.15.*" "numpy<2" "protobuf<4.25.5"  # what rknn-toolkit2 2.3.2 goes with
PYTHONPATH=$PWD/.tensorflow exec .venv/bin/python -m pytest tests/convert/test_tensorflow.py
