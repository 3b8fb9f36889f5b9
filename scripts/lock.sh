#!/bin/sh
# Writes requirements-dev.lock: the version of every package in .venv, which the tests have just passed with. They are
# those of Python 3.11 on x86_64. For the newest: rm -r .venv && sh scripts/test.sh && sh scripts/lock.sh
# Not by a resolver that works for all Pythons at once: the wheels of one rknn-toolkit2 ask for other versions in each.
set -eu
cd "$(dirname "$0")/.."
list="list --format=freeze --exclude-editable --exclude pip"
if command -v uv >/dev/null 2>&1; then
    found=$(uv pip $list --quiet --python .venv/bin/python)
else
    found=$(.venv/bin/python -m pip --disable-pip-version-check $list)
fi
# A build of torch's own index, as 2.4.0+cpu, is on no other.
printf '%s\n' "$found" | sed 's/+.*//' | LC_ALL=C sort -f >requirements-dev.lock
