#!/bin/sh
# Builds with rknn-toolkit2 2.5.0 too, in an environment of its own in .toolkits, which shares .venv's packages: two
# networks; with --slow one of each family, with --all every size. Run after test.sh.
set -eu
cd "$(dirname "$0")/.."
export XDG_DATA_HOME="$PWD/.toolkits"
.venv/bin/yolorknn toolkit install 2.5.0 --share >/dev/null
YOLORKNN_TOOLKIT=2.5.0 exec .venv/bin/python -m pytest -n 2 -m builds "$@"
