#!/bin/sh
# Tests .tflite and .pb with a TensorFlow put beside .venv's packages, into .tensorflow. Run after test.sh.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/.tensorflow
if [ ! -f "$folder/complete" ]; then
    rm -rf "$folder"
    set -- "tensorflow-cpu==2.15.*" "numpy<2" "protobuf<4.25.5"  # what rknn-toolkit2 2.3.2 goes with
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python --target "$folder" "$@"
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --target "$folder" "$@"
    fi
    touch "$folder/complete"
fi
PYTHONPATH=$folder exec .venv/bin/python -m pytest tests/convert/test_tensorflow.py
