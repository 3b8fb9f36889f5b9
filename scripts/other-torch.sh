#!/bin/sh
# Exports where others train: with the oldest Python, torch, numpy, onnx and ultralytics that go together, with today's
# ultralytics on these, and with the newest of all, in environments of their own in .torch, made once; the toolkit in another.
# Run after test.sh. 9 GB, most of it CUDA, or a few where torch's own index can be reached. Where there is no uv, which brings
# a Python, one that is neither on PATH nor in pyenv is left out, with the reason. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh

# python_of VERSION: prints one that makes environments.
python_of() {
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

# trained FOLDER VERSION TORCH PACKAGE...: an environment to train in, whose torch has no CUDA if that can be had, and yolorknn
# beside it, as its users have it; one that is complete is left alone.
trained() {
    folder=$1 version=$2 torch=$3
    shift 3
    [ ! -e "$folder/complete" ] || return 0
    rm -rf "$folder"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --seed --python "$version" "$folder"
    else
        if ! python=$(python_of "$version"); then
            say "no Python $version on PATH or in pyenv: exporting with it is left out"
            return 0
        fi
        "$python" -m venv "$folder"
    fi
    pip="$folder/bin/python -m pip --quiet --disable-pip-version-check"
    $pip --retries 1 --timeout 15 install --no-deps --index-url https://download.pytorch.org/whl/cpu $torch 2>/dev/null ||
        say "torch's own index cannot be reached: for Python $version it comes from PyPI, with CUDA"
    $pip install -e '.[export]' $torch "$@"
    touch "$folder/complete"
}

mkdir -p .torch
trained .torch/oldest 3.10 'torch==1.11.0 torchvision==0.12.0' 'numpy==1.23.*' 'onnx==1.16.*' ultralytics==8.4.0
trained .torch/newest 3.13 'torch torchvision' 'numpy>=2.5' 'onnx>=1.20'
[ ! -e .torch/oldest/complete ] || beside "$PWD/.torch/ultralytics" --no-deps 'ultralytics>=8.4,<9'
XDG_DATA_HOME="$PWD/.torch" .venv/bin/yolorknn toolkit install --share >/dev/null
exec .venv/bin/python -m pytest -s --all tests/convert/export/test_other_torch.py "$@"
