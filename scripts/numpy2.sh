#!/bin/sh
# Tests what needs numpy 2, and rknn-toolkit2 numpy 1: tracking (`trackers`) and Ray, in .numpy2, an environment of their own,
# made once (800 MB). Arguments go to pytest. Needs a Python of .venv's kind, and no torch. Ray joins the machine's first
# address; where a network of its own can be made, it has that.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
wanted=$(grep -E '^(track|ray|val) = ' pyproject.toml)
if [ "$(cat .numpy2/complete 2>/dev/null)" != "$wanted" ]; then
    rm -rf .numpy2
    .venv/bin/python -m venv --without-pip .numpy2
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python .numpy2/bin/python -e '.[track,ray,onnx,val]' 'numpy>=2' 'pytest>=8' 'hypothesis>=6.100'
    else
        .venv/bin/python -m pip --quiet --disable-pip-version-check --python .numpy2/bin/python \
            install -e '.[track,ray,onnx,val]' 'numpy>=2' 'pytest>=8' 'hypothesis>=6.100'
    fi
    printf '%s\n' "$wanted" >.numpy2/complete
fi
.numpy2/bin/python -m pytest -m track tests/tracking "$@"
if unshare -n true 2>/dev/null; then
    exec unshare -n sh -c 'ip link set lo up && exec "$@"' sh .numpy2/bin/python -m pytest -m ray tests/integrations/ray "$@"
fi
exec .numpy2/bin/python -m pytest -m ray tests/integrations/ray "$@"
