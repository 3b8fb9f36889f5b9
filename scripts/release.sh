#!/bin/sh
# Builds the sdist and the wheel into dist/, once both are checked: what is in them, and that each, installed into an
# empty environment, answers --help and detects with onnxruntime. Uploads nothing. Run in a checkout.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
unset PYTHONPATH # what is tried is the installed package
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else find_python; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say "building"
tools=$work/tools/bin/python
"$python" -m venv "$work/tools"
"$tools" -m pip install --quiet --disable-pip-version-check 'pip>=25.1' # the first to know --group
"$tools" -m pip install --quiet --group release
"$tools" -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$tools" -m twine check --strict "$work"/dist/*
PYTHONPATH=. "$python" scripts/check_release.py "$work"/dist/*

for package in "$work"/dist/*; do
    say "$(basename "$package") in an empty environment"
    installed=$work/env/bin/python
    "$python" -m venv --clear "$work/env"
    "$installed" -m pip install --quiet --disable-pip-version-check "$package[onnx]"
    cp models/demo.onnx dataset/images/0000.jpg "$work"
    (
        cd "$work"
        "$installed" -c 'import sys, yolorknn; assert yolorknn.__file__.startswith(sys.prefix), yolorknn.__file__'
        env/bin/yolorknn --help >/dev/null
        env/bin/yolorknn --version
        env/bin/yolorknn detect 0000.jpg --model demo.onnx --no-save --json boxes.jsonl >/dev/null 2>&1
        "$installed" -c 'import json; print(len(json.load(open("boxes.jsonl"))["detections"]) or exit("no boxes"), "boxes")'
    )
done

mkdir -p dist
rm -f dist/yolorknn-*
mv "$work"/dist/* dist
say "in dist/: $(ls dist | tr '\n' ' ')"
