#!/bin/sh
# Builds the pages of docs/ and the API reference into site/; a link that leads nowhere is an error. Fetches nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/venv.sh
venv dev
# Not --quiet: a warning that is not shown is not counted by strict either.
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --site-dir "${1:-site}"
say "open ${1:-site}/index.html"
