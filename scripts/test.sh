#!/bin/sh
# Lint, types and all tests, in the same .venv as the demo. Arguments go to pytest: sh scripts/test.sh -k nms
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv dev

say "lint and types"
sh scripts/check.sh

say "tests"
.venv/bin/python -m pytest -n 2 --dist loadfile "$@"

printf '\nall checks passed\n'
