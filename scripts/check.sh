#!/bin/sh
# Format, lint, the contracts of the imports, and types, in .venv.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/lint-imports --no-cache
.venv/bin/mypy
