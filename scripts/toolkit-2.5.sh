#!/bin/sh
# Builds every family with rknn-toolkit2 2.5.0 too, which is put beside .venv's own, into .toolkit-2.5.0. Run after test.sh.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/.toolkit-2.5.0
if [ ! -f "$folder/complete" ]; then
    rm -rf "$folder"
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .venv/bin/python --no-deps --target "$folder" rknn-toolkit2==2.5.0
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" rknn-toolkit2==2.5.0
    fi
    touch "$folder/complete"
fi
PYTHONPATH=$folder exec .venv/bin/python -m pytest -m builds "$@"
