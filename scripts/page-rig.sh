#!/bin/sh
# What the tests of the page and its API use besides Chromium, put into .page once: axe-core from npm, and schemathesis in an
# environment of its own, as its dependencies are many. Where one cannot be had, ends with 77, and its tests are skipped.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv dev >&2
mkdir -p .page
unavailable() { printf 'for the tests of the page: %s\n' "$*" >&2; missing=77; }
missing=0
from_npm axe-core@4 axe.min.js .page/axe.min.js || unavailable "npm gives no axe-core"
apart .page 'schemathesis>=4,<5' || unavailable "pip gives no schemathesis"
exit "$missing"
