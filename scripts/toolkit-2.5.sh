#!/bin/sh
# Builds with rknn-toolkit2 2.5.0 too, which is put beside .venv's own, into .toolkit-2.5.0: two networks; with --slow one
# of each family, with --all every size. Run after test.sh.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
beside "$PWD/.toolkit-2.5.0" --no-deps rknn-toolkit2==2.5.0
PYTHONPATH=$PWD/.toolkit-2.5.0 exec .venv/bin/python -m pytest -n 2 -m builds "$@"
