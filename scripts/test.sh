#!/bin/sh
# Lint, types and tests, in the same .venv as the demo. Arguments go to pytest: sh scripts/test.sh -k nms; with --slow it
# takes half an hour, as in .ci/run, with --all hours.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv dev

say "lint and types"
sh scripts/check.sh

say "tests"
.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"

printf '\nall checks passed\n'
